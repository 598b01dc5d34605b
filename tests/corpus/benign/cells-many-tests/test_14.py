assert square(13) == 169
