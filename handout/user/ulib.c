// ulib.c - the start of every program, and the string and memory functions.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/vm.h"
#include "user/user.h"

int main(int argc, char *argv[]);

// A program begins here. If main returns, that was its exit status.
void
start(int argc, char *argv[])
{
  exit(main(argc, argv));
}

// Grow (or, with n < 0, shrink) memory by n bytes. Returns the old end, or SBRK_ERROR.
char *
sbrk(int n)
{
  return sys_sbrk(n, SBRK_EAGER);
}

// The same, but a page is allocated when it is first touched.
char *
sbrklazy(int n)
{
  return sys_sbrk(n, SBRK_LAZY);
}

// fstat by name.
int
stat(const char *path, struct stat *st)
{
  int fd = open(path, O_RDONLY);
  int result = -1;

  if (fd >= 0) {
    result = fstat(fd, st);
    close(fd);
  }
  return result;
}

// Read a line of standard input, with its end ('\n' or '\r'); what does not fit in
// max - 1 bytes is left for the next call. At the end of the file buf becomes "".
char *
gets(char *buf, int max)
{
  char *next = buf;
  char *limit = buf + max - 1;

  // Byte by byte, since what lies beyond the line may be meant for another program.
  while (next < limit && read(0, next, 1) == 1) {
    next++;
    if (next[-1] == '\n' || next[-1] == '\r')
      break;
  }
  *next = 0;
  return buf;
}

// The decimal number that s begins with; 0 if there is none.
int
atoi(const char *s)
{
  int negative = (*s == '-');
  uint value = 0;

  for (s += negative; *s >= '0' && *s <= '9'; s++)
    value = 10 * value + (*s - '0');
  return negative ? -value : value;
}

uint
strlen(const char *s)
{
  return strchr(s, 0) - s;
}

// Returns dst.
char *
strcpy(char *dst, const char *src)
{
  return memcpy(dst, src, strlen(src) + 1);
}

// The first c in s, or 0. With c = 0, the end of s.
char *
strchr(const char *s, char c)
{
  while (*s != c)
    if (*s++ == 0)
      return 0;
  return (char *)s;
}

// Less than, equal to, or greater than 0, as a is to b.
int
strcmp(const char *a, const char *b)
{
  uint i = 0;

  while (a[i] == b[i])
    if (a[i++] == 0)
      return 0;
  return (uchar)a[i] - (uchar)b[i];
}

// memset, memcpy and memmove go eight bytes at a time where the addresses allow it.
#define WORD sizeof(uint64)

static int
aligned(const void *p)
{
  return ((uint64)p & (WORD - 1)) == 0;
}

void *
memset(void *dst, int c, size_t n)
{
  char *p = dst;
  char *end = p + n;
  uint64 eight = (uchar)c * 0x0101010101010101UL;

  while (p < end) {
    if (aligned(p) && end - p >= WORD) {
      *(uint64 *)p = eight;
      p += WORD;
    } else {
      *p++ = c;
    }
  }
  return dst;
}

void *
memcpy(void *dst, const void *src, size_t n)
{
  return memmove(dst, src, n);
}

// The two ranges may overlap.
void *
memmove(void *dst, const void *src, size_t n)
{
  char *to = dst;
  const char *from = src;
  size_t words = 0;

  if (to == from)
    return dst;
  if (aligned(to) && aligned(from))
    words = n / WORD;
  if (to < from) {
    for (size_t i = 0; i < words; i++)
      ((uint64 *)to)[i] = ((const uint64 *)from)[i];
    for (size_t i = words * WORD; i < n; i++)
      to[i] = from[i];
  } else {
    for (size_t i = n; i > words * WORD; i--)
      to[i - 1] = from[i - 1];
    for (size_t i = words; i > 0; i--)
      ((uint64 *)to)[i - 1] = ((const uint64 *)from)[i - 1];
  }
  return dst;
}

int
memcmp(const void *a, const void *b, size_t n)
{
  const uchar *x = a;
  const uchar *y = b;

  for (; n > 0; n--, x++, y++)
    if (*x != *y)
      return *x - *y;
  return 0;
}
