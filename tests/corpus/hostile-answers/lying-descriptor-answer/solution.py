class Flip:
    looks = 0

    @property
    def value(self):
        Flip.looks += 1
        return -Flip.looks

    def __eq__(self, other):
        Flip.looks += 1
        return Flip.looks % 2 == 0

def node(n):
    return Flip()
