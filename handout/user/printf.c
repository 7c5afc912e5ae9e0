// printf.c - formatted output; each call writes what it prints in one piece.
#include "kernel/types.h"
#include "user/user.h"

#include <stdarg.h>

// The kernel writes up to this many bytes without letting other output in between.
#define CHUNK 512

static struct {
  int fd;
  int n;            // bytes waiting in text
  char text[CHUNK];
} out;

static void
flush(void)
{
  if (out.n > 0)
    write(out.fd, out.text, out.n);
  out.n = 0;
}

static void
putch(char c)
{
  if (out.n == CHUNK)
    flush();
  out.text[out.n++] = c;
}

static void
putstr(const char *s)
{
  for (; *s; s++)
    putch(*s);
}

// Print value in base 10 or 16, with zeroes in front if it has less than width digits.
static void
putnum(uint64 value, uint base, int width)
{
  char digits[20];   // as many as 2^64 - 1 has
  int n = 0;

  for (; value > 0 || n < width; value /= base)
    digits[n++] = "0123456789abcdef"[value % base];
  while (n > 0)
    putch(digits[--n]);
}

static void
putsigned(long value)
{
  if (value < 0)
    putch('-');
  putnum(value < 0 ? -(uint64)value : value, 10, 1);
}

// Print the next argument as spec, the text behind a '%', tells. Returns what follows it.
static const char *
convert(const char *spec, va_list *args)
{
  int wide = (*spec == 'l');   // ld, lld: 64 bits both

  while (*spec == 'l')
    spec++;
  switch (*spec) {
  case 'd':
    putsigned(wide ? va_arg(*args, long) : va_arg(*args, int));
    break;
  case 'u':
  case 'x':
    putnum(wide ? va_arg(*args, uint64) : va_arg(*args, uint), *spec == 'x' ? 16 : 10, 1);
    break;
  case 'p':
    putstr("0x");
    putnum(va_arg(*args, uint64), 16, 16);
    break;
  case 's': {
    const char *s = va_arg(*args, const char *);
    putstr(s ? s : "(null)");
    break;
  }
  case 'c':
    putch(va_arg(*args, int));
    break;
  case '%':
    putch('%');
    break;
  default:   // no conversion: shown as it is
    putch('%');
    return spec;
  }
  return spec + 1;
}

// %d %u %x, with l for 64 bits; %p %s %c %%.
void
vprintf(int fd, const char *fmt, va_list args)
{
  va_list rest;

  va_copy(rest, args);
  out.fd = fd;
  while (*fmt)
    if (*fmt == '%')
      fmt = convert(fmt + 1, &rest);
    else
      putch(*fmt++);
  flush();
  va_end(rest);
}

void
fprintf(int fd, const char *fmt, ...)
{
  va_list args;

  va_start(args, fmt);
  vprintf(fd, fmt, args);
  va_end(args);
}

void
printf(const char *fmt, ...)
{
  va_list args;

  va_start(args, fmt);
  vprintf(1, fmt, args);
  va_end(args);
}
