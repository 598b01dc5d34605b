assert ask() == "nothing"
