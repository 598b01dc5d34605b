def forever(function):
    while True:
        pass

class Solution:
    @forever
    def add(self, a, b):
        return a + b

add = Solution().add
