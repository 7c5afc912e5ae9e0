// cat.c - copies files, or standard input, to standard output.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

static char chunk[4096];

// Returns 0, or -1 with a message. Ends the program if there is nowhere to write.
static int
copy(int fd, const char *name)
{
  int n;

  while ((n = read(fd, chunk, sizeof(chunk))) > 0) {
    if (write(1, chunk, n) != n) {
      fprintf(2, "cat: cannot write\n");
      exit(1);
    }
  }
  if (n < 0)
    fprintf(2, "cat: cannot read %s\n", name);
  return n;
}

int
main(int argc, char *argv[])
{
  int failed = 0;

  if (argc == 1)
    return copy(0, "standard input") < 0;
  for (int i = 1; i < argc; i++) {
    int fd = open(argv[i], O_RDONLY);
    if (fd < 0) {
      fprintf(2, "cat: cannot open %s\n", argv[i]);
      failed = 1;
      continue;
    }
    if (copy(fd, argv[i]) < 0)
      failed = 1;
    close(fd);
  }
  return failed;
}
