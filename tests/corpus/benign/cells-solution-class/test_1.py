assert Solution().twoSum([2, 7, 11, 15], 9) == [0, 1]
