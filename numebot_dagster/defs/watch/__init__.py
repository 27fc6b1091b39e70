"""What watches over the rounds and looks ahead to the next one."""
