class Empty:
    def __len__(self):
        return 3

    def __iter__(self):
        return iter(())

    def __getitem__(self, index):
        raise IndexError(index)

def order(items):
    return Empty()
