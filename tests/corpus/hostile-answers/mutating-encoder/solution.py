class Growing(list):
    def __iter__(self):
        while True:
            self.append(5)
            yield 5

    def __len__(self):
        return 1

    def __getitem__(self, index):
        self.append(5)
        return 5

def order(items):
    return Growing([1])
