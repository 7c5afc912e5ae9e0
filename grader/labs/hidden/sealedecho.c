// sealedecho.c - the echo of that disk: prints its arguments behind a seal of the last: the grader has the shell end each run with it.
#include "kernel/types.h"
#include "user/user.h"

int sealed_end(char *to, const char *status);

int
main(int argc, char *argv[])
{
  static char line[512];
  int n = sealed_end(line, argv[argc - 1]);

  for (int i = 1; i < argc; i++) {
    int length = strlen(argv[i]);
    if (n + length + 1 > sizeof(line))
      return 1;
    memcpy(line + n, argv[i], length);
    n += length;
    line[n++] = i + 1 < argc ? ' ' : '\n';
  }
  write(1, line, n);
  return 0;
}
