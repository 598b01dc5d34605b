assert double(clip(3)) == 6
