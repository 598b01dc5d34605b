assert make("colour").value == "red" and make("colour").name == "RED"
