assert Stack.name() == "stack" and Stack.limit == 10 and not Stack() and Stack([0])
