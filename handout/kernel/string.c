// string.c - bytes and strings; eight bytes at a time where addresses allow.
#include "types.h"
#include "defs.h"

#define ALIGNED(a) (((uint64)(a) & 7) == 0)

void *
memset(void *dst, int c, size_t n)
{
  uchar *d = dst;
  uchar *end = d + n;

  for (; d < end && !ALIGNED(d); d++)
    *d = c;
  uint64 word = (uchar)c * 0x0101010101010101UL;
  for (; d + 64 <= end; d += 64) {
    uint64 *w = (uint64 *)d;
    w[0] = w[1] = w[2] = w[3] = w[4] = w[5] = w[6] = w[7] = word;
  }
  for (; d + 8 <= end; d += 8)
    *(uint64 *)d = word;
  for (; d < end; d++)
    *d = c;
  return dst;
}

// Copy n bytes from the first to the last.
static void
copyup(uchar *d, const uchar *s, size_t n)
{
  uchar *end = d + n;

  if (ALIGNED((uint64)d ^ (uint64)s)) {
    for (; d < end && !ALIGNED(d);)
      *d++ = *s++;
    for (; d + 64 <= end; d += 64, s += 64) {
      uint64 *to = (uint64 *)d;
      const uint64 *from = (const uint64 *)s;
      uint64 a = from[0], b = from[1], e = from[2], f = from[3];
      to[0] = a, to[1] = b, to[2] = e, to[3] = f;
      a = from[4], b = from[5], e = from[6], f = from[7];
      to[4] = a, to[5] = b, to[6] = e, to[7] = f;
    }
    for (; d + 8 <= end; d += 8, s += 8)
      *(uint64 *)d = *(const uint64 *)s;
  }
  while (d < end)
    *d++ = *s++;
}

// The regions may overlap.
void *
memmove(void *dst, const void *src, size_t n)
{
  uchar *d = dst;
  const uchar *s = src;

  if (d <= s || d >= s + n)
    copyup(d, s, n);
  else
    while (n-- > 0)
      d[n] = s[n];
  return dst;
}

// The compiler calls this one for struct assignments.
void *
memcpy(void *dst, const void *src, size_t n)
{
  copyup(dst, src, n);
  return dst;
}

int
memcmp(const void *a, const void *b, size_t n)
{
  const uchar *x = a, *y = b;

  for (size_t i = 0; i < n; i++)
    if (x[i] != y[i])
      return x[i] - y[i];
  return 0;
}

int
strlen(const char *s)
{
  const char *end = s;

  while (*end)
    end++;
  return end - s;
}

int
strncmp(const char *a, const char *b, uint n)
{
  for (uint i = 0; i < n; i++)
    if (a[i] != b[i] || a[i] == 0)
      return (uchar)a[i] - (uchar)b[i];
  return 0;
}

// Copy at most n bytes; fill what is left of n with zeroes.
// dst has no end mark if src is n bytes or longer.
char *
strncpy(char *dst, const char *src, int n)
{
  int i = 0;

  for (; i < n && src[i]; i++)
    dst[i] = src[i];
  if (i < n)
    memset(dst + i, 0, n - i);
  return dst;
}

// Copy as much of src as fits in n bytes with its end mark.
char *
safestrcpy(char *dst, const char *src, int n)
{
  int len = 0;

  if (n <= 0)
    return dst;
  while (len < n - 1 && src[len])
    len++;
  memmove(dst, src, len);
  dst[len] = 0;
  return dst;
}
