// libtest.c - checks the user library from within: strings, memory, printf, gets, malloc, sbrk.
#include <stdarg.h>
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "user/user.h"

static int failures;

static void
check(int ok, const char *what, long n)
{
  if (!ok) {
    printf("libtest: %s (%ld)\n", what, n);
    failures++;
  }
}

static char printed[3000];

// What printf makes of fmt, in printed[]. It lacks printf's attribute, so that any format can be tried.
static void
format(const char *fmt, ...)
{
  va_list args;
  int ends[2];
  int n = 0, got;

  pipe(ends);
  if (fork() == 0) {
    va_start(args, fmt);
    vprintf(ends[1], fmt, args);
    va_end(args);
    exit(0);
  }
  close(ends[1]);
  while ((got = read(ends[0], printed + n, sizeof(printed) - 1 - n)) > 0)
    n += got;
  printed[n] = 0;
  close(ends[0]);
  wait(0);
}

static void
expect(const char *what, int n)
{
  if (strcmp(printed, what) != 0) {
    printf("libtest: printf printed '%s', not '%s' (%d)\n", printed, what, n);
    failures++;
  }
}

static void
testprintf(void)
{
  static char text[2000];

  format("%d %d %d %d", 0, -1, 2147483647, -2147483647 - 1);
  expect("0 -1 2147483647 -2147483648", 1);
  format("%u %x %x", -1, -1, 0);
  expect("4294967295 ffffffff 0", 2);
  format("%ld %lu %lx", -9223372036854775807L - 1, -1L, -1L);
  expect("-9223372036854775808 18446744073709551615 ffffffffffffffff", 3);
  format("%lld %llu %llx", -5LL, 5LL, 0x123456789abcdefLL);
  expect("-5 5 123456789abcdef", 4);
  format("%p %p", (void *)0, (void *)0xdeadbeefUL);
  expect("0x0000000000000000 0x00000000deadbeef", 5);
  format("[%s] [%s] [%c] %%", "", "text", 'c');
  expect("[] [text] [c] %", 6);
  format("%s", (char *)0);
  expect("(null)", 7);
  format("%q %d %", 5);
  expect("%q 5 %", 8);
  format("%d %s %ld %c %x %u %d %s %d", 1, "2", 3L, '4', 5, 6, 7, "8", 9);
  expect("1 2 3 4 5 6 7 8 9", 9);
  for (int n = 510; n <= 515; n++) {   // about the size of its buffer
    memset(text, 'a' + n % 26, n);
    text[n] = 0;
    format("%s", text);
    expect(text, n);
  }
  memset(text, 'z', sizeof(text) - 1);
  format("%s", text);
  expect(text, 2000);
}

static void
teststrings(void)
{
  char text[10] = "xxxxxxxxx";

  check(strlen("") == 0 && strlen("abc") == 3, "strlen", 1);
  check(strcpy(text, "abc") == text && memcmp(text, "abc\0xxxxx", 10) == 0, "strcpy", 1);
  check(strchr(text, 'b') == text + 1 && strchr(text, 'q') == 0 && strchr(text, 0) == text + 3, "strchr", 1);
  check(strcmp("", "") == 0 && strcmp("abc", "abc") == 0, "strcmp", 1);
  check(strcmp("abc", "abd") < 0 && strcmp("abd", "abc") > 0, "strcmp", 2);
  check(strcmp("ab", "abc") < 0 && strcmp("abc", "ab") > 0, "strcmp", 3);
  check(strcmp("\xff", "a") > 0, "strcmp of bytes above 127", 4);
  check(memcmp("a\0b", "a\0c", 3) < 0 && memcmp("\xff", "a", 1) > 0 && memcmp("a", "b", 0) == 0, "memcmp", 1);
  check(atoi("0") == 0 && atoi("17") == 17 && atoi("-17") == -17 && atoi("12ab") == 12, "atoi", 1);
  check(atoi("") == 0 && atoi("x") == 0 && atoi("-") == 0, "atoi", 2);
  check(atoi("2147483647") == 2147483647 && atoi("-2147483648") == -2147483647 - 1, "atoi", 3);
}

#define SPAN 100

// memset, memmove and memcpy at every alignment, and nothing changed beside.
static void
testmemory(void)
{
  static char got[SPAN], want[SPAN];

  for (int from = 0; from < 20; from++) {
    for (int to = 0; to < 20; to++) {
      for (int n = 0; n < 40; n++) {
        for (int i = 0; i < SPAN; i++)
          got[i] = want[i] = i * 7;
        for (int i = 0; i < n; i++)
          want[30 + to + i] = (from + 30 + i) * 7;
        check(memmove(got + 30 + to, got + 30 + from, n) == got + 30 + to, "memmove's result", n);
        check(memcmp(got, want, SPAN) == 0, "memmove", from * 10000 + to * 100 + n);

        for (int i = 0; i < SPAN; i++)
          got[i] = want[i] = i;
        for (int i = 0; i < n; i++)
          want[to + i] = 0xa5;
        check(memset(got + to, 0xfa5, n) == got + to, "memset's result", n);
        check(memcmp(got, want, SPAN) == 0, "memset", to * 100 + n);
      }
    }
  }
  check(memcpy(got, "copied", 7) == got && strcmp(got, "copied") == 0, "memcpy", 1);
}

static void
testgets(void)
{
  char text[8];
  int ends[2];

  pipe(ends);
  write(ends[1], "one\ntwo\rlonger than eight\n\nend", 30);
  close(ends[1]);
  close(0);
  dup(ends[0]);
  close(ends[0]);
  check(gets(text, 8) == text && strcmp(text, "one\n") == 0, "gets", 1);
  check(strcmp(gets(text, 8), "two\r") == 0, "gets", 2);
  check(strcmp(gets(text, 8), "longer ") == 0, "gets of a line too long", 3);
  check(strcmp(gets(text, 8), "than ei") == 0, "gets of its rest", 4);
  check(strcmp(gets(text, 8), "ght\n") == 0, "gets of its end", 5);
  check(strcmp(gets(text, 8), "\n") == 0, "gets", 6);
  check(strcmp(gets(text, 8), "end") == 0, "gets of a line without end", 7);
  check(strcmp(gets(text, 8), "") == 0, "gets at the end", 8);
}

#define PIECES 200

// Pieces of many sizes, taken and given back in any order, none over another.
static void
testmalloc(void)
{
  static char *piece[PIECES];
  static uint size[PIECES];
  uint seed = 1;

  for (int round = 0; round < 20000; round++) {
    seed = seed * 1664525 + 1013904223;
    int i = (seed >> 8) % PIECES;
    if (piece[i]) {
      for (uint k = 0; k < size[i]; k++)
        if (piece[i][k] != (char)i) {
          check(0, "malloc gave memory twice", round);
          return;
        }
      free(piece[i]);
      piece[i] = 0;
    } else {
      size[i] = (seed >> 16) % (round % 10 == 0 ? 5000 : 100);
      piece[i] = malloc(size[i]);
      check(piece[i] != 0 && (uint64)piece[i] % 16 == 0, "malloc", size[i]);
      memset(piece[i], i, size[i]);
    }
    if (round % 1000 == 0)
      sbrk(round % 7 * 8 + 1);   // malloc is not the only one who calls it
  }
  for (int i = 0; i < PIECES; i++)
    free(piece[i]);
  free(0);
  char *end = sbrk(0);
  for (int i = 0; i < 1000; i++) {
    void *p = malloc(3000);
    void *q = malloc(1);
    free(p);
    free(q);
  }
  check(sbrk(0) == end, "free memory was not used again", sbrk(0) - end);
}

// Take all memory, give it back in two different orders, and find it in one piece.
static void
testexhaustion(void)
{
  void **even = 0, **odd = 0;
  int n = 0;

  check(malloc(-1UL) == 0 && malloc(1UL << 40) == 0, "malloc of more than there is", 0);
  for (void **p; (p = malloc(60001)) != 0; n++) {
    void ***list = n % 2 ? &odd : &even;
    *p = *list;
    *list = p;
  }
  check(n > 100, "malloc gave up early", n);
  for (int turn = 0; turn < 2; turn++) {
    for (void **p = turn ? odd : even, **next; p; p = next) {
      next = *p;
      free(p);
    }
  }
  void *all = malloc(n / 10 * 9 * 60001L);   // a few pieces may have come from older regions
  check(all != 0, "free memory is in pieces", n);
  free(all);
}

static void
testsbrk(void)
{
  struct stat st;
  char *p = sbrk(5000);

  p[4999] = 1;
  char *q = sbrklazy(10000);
  check(q == p + 5000 && q[9999] == 0, "sbrklazy", 1);
  check(sbrk(-15000) == q + 10000 && sbrk(0) == p, "sbrk back", 2);
  check(sbrk(2147483647) == SBRK_ERROR && sbrk(0) == p, "sbrk of more than there is", 3);
  check(stat("/", &st) == 0 && st.type == T_DIR && st.ino == 1, "stat", 1);
  check(stat("/nosuch", &st) == -1, "stat of nothing", 2);
}

int
main(int argc, char *argv[])
{
  check(argc == 3 && strcmp(argv[1], "two") == 0 && strcmp(argv[2], "words") == 0 && argv[3] == 0, "argv", argc);
  testprintf();
  teststrings();
  testmemory();
  testgets();
  testsbrk();
  testmalloc();
  testexhaustion();
  printf("libtest: %d failures\n", failures);
  return failures != 0;   // start makes this the exit status
}
