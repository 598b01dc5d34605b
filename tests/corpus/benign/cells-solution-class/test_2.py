s = Solution()
assert s.twoSum([3, 3], 6) == [0, 1]
assert s.twoSum(nums=[1, 2], target=4) is None
