// vma_host.c - the kernel's vma.c as a library for the host: one table, files that only count, and what vma.c calls.
#include "kernel/vma.c"

#define HOSTFILES 4

static struct proc owner;
static int references[HOSTFILES];   // a struct file * is the address of one of these
static int strays;                  // calls that would have hurt something else

struct proc *
host_table(uint64 size)
{
  owner.nvma = 0;
  owner.sz = size;
  strays = 0;
  for (int i = 0; i < HOSTFILES; i++)
    references[i] = 0;
  return &owner;
}

struct vma *
host_vmas(void)
{
  return owner.vma;
}

int
host_count(void)
{
  return owner.nvma;
}

int *
host_references(void)
{
  return references;
}

int
host_strays(void)
{
  return strays;
}

static int
isfile(struct file *f)
{
  return (int *)f >= references && (int *)f < references + HOSTFILES;
}

struct file *
filedup(struct file *f)
{
  if (isfile(f))
    ++*(int *)f;
  else
    strays++;
  return f;
}

void
fileclose(struct file *f)
{
  if (isfile(f) && *(int *)f > 0)
    --*(int *)f;
  else
    strays++;
}

static int
intable(const char *p, size_t n)
{
  return p >= (char *)owner.vma && n <= sizeof(owner.vma) && p + n <= (char *)&owner.vma[NVMA];
}

// Bytes that overlap are moved in the right order; nothing outside of the table is.
void *
memmove(void *to, const void *from, size_t n)
{
  char *d = to;
  const char *s = from;

  if (!intable(d, n) || !intable(s, n)) {
    strays++;
    return to;
  }
  for (size_t i = 0; i < n; i++) {
    size_t k = d < s ? i : n - 1 - i;
    d[k] = s[k];
  }
  return to;
}
