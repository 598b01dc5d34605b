assert square(46) == 2116
