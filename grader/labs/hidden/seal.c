// seal.c - vouches for what a test program prints: each line stands between two seals that only this program can make.
//
// A seal is ~PID.N.LENGTH.SITE.INSIDE.CALLS.MARK~, in hexadecimal: the process, how many lines it has printed, the length of
// the line, the place that called printf, the function that the program is in, and how many calls of its functions there were.
// The mark is made from a key of this build, from these, from the line, and from the program's code and constants as they lie
// in memory. So who has changed the code, or does not have it, makes no right mark; and a program that was led past a call, or
// out of a function without its return, can be told.
// ../../seal.py reads them.
#include "kernel/types.h"
#include "user/user.h"
#include "runkey.h"
#include <stdarg.h>

#define LONGEST 300             // bytes of a line that is sealed
#define FIELDS  6               // numbers in a seal, before the mark
#define SEAL    112             // bytes that a seal takes at most
#define DEEPEST 64              // calls, one in another, that are followed

// From seal.ld.
extern const uint64 sealed_code_end[], sealed_data[], sealed_data_end[];

void start(int argc, char *argv[]);

static uint64 image;            // of code, constants and initial data, at the start
static uint64 printed;          // lines
static uint64 site;             // where printf was called
static uint64 called[DEEPEST];  // the functions that the program is in
static uint64 depth;
static uint64 calls;            // of the program's own functions, so far
static int    led;              // out of one, without its return

// ---- marks

static uint64
mix(uint64 mark, uint64 word)
{
  mark = (mark ^ word) * 0x9e3779b97f4a7c15UL;
  return mark ^ mark >> 29;
}

static uint64
mixwords(uint64 mark, const uint64 *p, const uint64 *end)
{
  for (; p < end; p++)
    mark = mix(mark, *p);
  return mark;
}

// Code and constants as they are now.
static uint64
code(void)
{
  return mixwords(RUNKEY1, (const uint64 *)0, sealed_code_end);
}

// The program begins here, before anything has changed its data.
void
sealed_start(int argc, char *argv[])
{
  image = mixwords(code(), sealed_data, sealed_data_end);
  start(argc, argv);
}

// ---- which function the program is in: the compiler has each of the test's own functions call these

void
__cyg_profile_func_enter(void *function, void *from)
{
  if (depth < DEEPEST)
    called[depth] = (uint64)function;
  depth++;
  calls++;
}

void
__cyg_profile_func_exit(void *function, void *from)
{
  depth--;
  if (depth < DEEPEST && called[depth] != (uint64)function)
    led = 1;
}

static uint64
inside(void)
{
  return led || depth == 0 || depth > DEEPEST ? 0 : called[depth - 1];
}

// ---- seals

static char *
puthex(char *p, uint64 value)
{
  int shift = 60;

  while (shift > 0 && value >> shift == 0)
    shift -= 4;
  for (; shift >= 0; shift -= 4)
    *p++ = "0123456789abcdef"[value >> shift & 15];
  return p;
}

// Write the seal of n bytes of text to p; returns its end.
static char *
seal(char *p, const char *text, uint64 n)
{
  uint64 says[] = { getpid(), printed, n, site, inside(), calls };
  uint64 mark = mixwords(mix(mix(RUNKEY0, image), code()), says, says + FIELDS);

  *p++ = '~';
  for (int i = 0; i < FIELDS; i++) {
    p = puthex(p, says[i]);
    *p++ = '.';
  }
  for (uint64 i = 0; i < n; i++)
    mark = mix(mark, (uchar)text[i]);
  p = puthex(p, mix(mark, RUNKEY1));
  *p++ = '~';
  return p;
}

// printf.c writes by this. A whole line for the console is sealed, and written at once; anything else goes as it is.
int
sealed_write(int fd, const void *text, int n)
{
  static char line[LONGEST + 2 * SEAL];
  const char *last = (const char *)text + n - 1;
  char *p = line;

  if (fd != 1 || n < 1 || n > LONGEST || *last != '\n' || strchr(text, '\n') != last)
    return write(fd, text, n);
  printed++;
  p = seal(p, text, n - 1);
  memcpy(p, text, n - 1);
  p = seal(p + n - 1, text, n - 1);
  *p++ = '\n';
  return write(fd, line, p - line);
}

void
printf(const char *fmt, ...)
{
  va_list args;

  site = (uint64)__builtin_return_address(0);
  va_start(args, fmt);
  vprintf(1, fmt, args);
  va_end(args);
  site = 0;
}

// What echo prints of its last argument, the status of the program before it: a seal in front of the line.
int
sealed_end(char *to, const char *status)
{
  printed++;
  return seal(to, status, strlen(status)) - to;
}
