// wc.c - counts the lines, words and bytes of files, or of standard input.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

static char chunk[4096];

// Print the counts of one file. Returns 0, or -1 with a message.
static int
count(int fd, const char *name)
{
  int lines = 0, words = 0, bytes = 0;
  int blank = 1;   // was the last character, or is this the start
  int n;

  while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
    bytes += n;
    for (int i = 0; i < n; i++) {
      char c = chunk[i];
      int before = blank;
      blank = (c == ' ' || (c >= '\t' && c <= '\r'));
      words += before && !blank;
      lines += (c == '\n');
    }
  }
  if (n < 0) {
    fprintf(2, "wc: cannot read %s\n", name);
    return -1;
  }
  printf("%d %d %d %s\n", lines, words, bytes, name);
  return 0;
}

int
main(int argc, char *argv[])
{
  int failed = 0;

  if (argc == 1)
    return count(0, "") < 0;
  for (int i = 1; i < argc; i++) {
    int fd = open(argv[i], O_RDONLY);
    if (fd < 0) {
      fprintf(2, "wc: cannot open %s\n", argv[i]);
      failed = 1;
      continue;
    }
    if (count(fd, argv[i]) < 0)
      failed = 1;
    close(fd);
  }
  return failed;
}
