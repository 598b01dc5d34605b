assert isinstance(Stack(), Stack)
