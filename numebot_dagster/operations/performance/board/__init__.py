"""Read what each page of the board says from the data folder, and write the pages."""
