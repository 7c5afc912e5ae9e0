// echo.c - prints its arguments.
#include "kernel/types.h"
#include "user/user.h"

// Gathered here, so that the whole line is written at once.
static char line[512];
static int used;

static void
flush(void)
{
  write(1, line, used);
  used = 0;
}

static void
add(const char *s)
{
  for (; *s; s++) {
    if (used == sizeof(line))
      flush();
    line[used++] = *s;
  }
}

int
main(int argc, char *argv[])
{
  for (int i = 1; i < argc; i++) {
    add(argv[i]);
    if (i < argc - 1)
      add(" ");
  }
  add("\n");
  flush();
  return 0;
}
