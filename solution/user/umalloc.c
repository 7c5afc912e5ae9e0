// umalloc.c - malloc and free: blocks that know their neighbours, free ones listed by size.
#include "kernel/types.h"
#include "user/user.h"

// Memory from sbrk is cut into blocks that lie without a gap from the start
// of a region to the end mark, a header alone that is never free.
struct block {
  size_t size;           // bytes, header included; a multiple of ALIGN, plus INUSE
  size_t below;          // size of the block just below, or 0: first of its region
  // In a block in use, the caller's bytes begin here. In a free one:
  struct block  *next;   // in its list
  struct block **link;   // what points to this block
};

#define HEADER   (2 * sizeof(size_t))
#define SMALLEST sizeof(struct block)
#define ALIGN    16
#define INUSE    1
#define GROW     (4 * 4096)   // ask sbrk for no less
#define LARGEST  (1UL << 30)

#define ROUNDUP(n, to) (((n) + (to) - 1) & ~((size_t)(to) - 1))

// Free blocks of 2^i up to 2^(i+1) - 1 bytes are in lists[i].
static struct block *lists[32];
static struct block *endmark;   // of the newest region,
static char *end;               // which reaches up to here

static struct block *
offset(struct block *b, long bytes)
{
  return (struct block *)((char *)b + bytes);
}

static int
listof(size_t size)
{
  int i = 0;

  while (size >>= 1)
    i++;
  return i;
}

static void
detach(struct block *b)
{
  *b->link = b->next;
  if (b->next)
    b->next->link = b->link;
}

// Make [b, b + size) one free block. What lies below it has not changed.
static void
attach(struct block *b, size_t size)
{
  struct block **list = &lists[listof(size)];

  b->size = size;
  offset(b, size)->below = size;
  b->next = *list;
  b->link = list;
  if (b->next)
    b->next->link = &b->next;
  *list = b;
}

void
free(void *p)
{
  if (p == 0)
    return;
  struct block *b = offset(p, -(long)HEADER);
  if (!(b->size & INUSE)) {
    fprintf(2, "free(%p): not in use\n", p);
    exit(1);
  }
  size_t size = b->size - INUSE;
  struct block *above = offset(b, size);
  if (!(above->size & INUSE)) {
    detach(above);
    size += above->size;
  }
  struct block *below = offset(b, -(long)b->below);
  if (below != b && !(below->size & INUSE)) {
    detach(below);
    size += below->size;
    b->size = 0;   // a header no more: a second free is seen
    b = below;
  }
  attach(b, size);
}

// Get a free block of size bytes or more from sbrk. Returns 0, or -1 if memory is out.
static int
grow(size_t size)
{
  size_t bytes = ROUNDUP(size + 2 * HEADER, GROW);
  char *start = sbrk(bytes);

  if (start == SBRK_ERROR)
    return -1;
  struct block *b = endmark;
  if (start != end) {   // somebody else has called sbrk: a new region
    b = (struct block *)ROUNDUP((uint64)start, ALIGN);
    b->below = 0;
  }
  end = start + bytes;
  size_t room = (end - (char *)b - HEADER) & ~(size_t)(ALIGN - 1);
  b->size = room | INUSE;
  endmark = offset(b, room);
  endmark->size = INUSE;
  endmark->below = room;
  free((char *)b + HEADER);
  return 0;
}

// The first free block of size bytes or more, in the lists from the smallest on; or 0.
static struct block *
find(size_t size)
{
  for (int i = listof(size); i < 32; i++)
    for (struct block *b = lists[i]; b; b = b->next)
      if (b->size >= size)
        return b;
  return 0;
}

// Returns n bytes, aligned to 16, or 0 if memory is out.
void *
malloc(size_t n)
{
  if (n > LARGEST)
    return 0;
  size_t size = ROUNDUP(n + HEADER, ALIGN);
  if (size < SMALLEST)
    size = SMALLEST;
  struct block *b = find(size);
  if (b == 0 && grow(size) == 0)
    b = find(size);
  if (b == 0)
    return 0;

  detach(b);
  size_t rest = b->size - size;
  if (rest >= SMALLEST) {
    struct block *upper = offset(b, size);
    upper->below = size;
    attach(upper, rest);
    b->size = size;
  }
  b->size |= INUSE;
  return (char *)b + HEADER;
}
