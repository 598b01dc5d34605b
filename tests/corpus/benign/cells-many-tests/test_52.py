assert square(51) == 2601
