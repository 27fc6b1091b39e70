"""Write the pages of the board as HTML: Today, Fleet, Model, Round and Money."""
