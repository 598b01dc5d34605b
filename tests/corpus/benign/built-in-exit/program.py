print("done")
exit()
