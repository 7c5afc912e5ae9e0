// crashload.c - changes files for ever and says what it does, for a test that stops the machine meanwhile.
//
// Each of several processes works in a directory of its own and prints, for a path there:
//     doing PATH              from now on PATH may have any state,
//     have PATH SIZE SEED     until this: it is a file of SIZE bytes, content_byte(SEED, i) each,
//     dir PATH                or this: it is a directory,
//     gone PATH               or this: there is no such file.
// What a line says is to be found on the disk, however soon the machine is stopped after it.
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

#define WORKERS 3
#define NAMES   6          // paths of one worker
#define MAXSIZE 20000

// What a worker knows of one of its paths.
struct entry {
  char path[8];            // "w0/f3"
  enum { GONE, FILE, DIR } kind;
  int size;
  int seed;
};

static struct entry entries[NAMES];
static char data[MAXSIZE];
static uint randomstate;

static int
below(int n)
{
  randomstate = randomstate * 1664525 + 1013904223;
  return (randomstate >> 8) % n;
}

static char
content_byte(int seed, int i)
{
  return seed + 7 * i + 13 * (i / 256);
}

// How long a file becomes, or by how much longer, where there is room for max bytes. Mostly short:
// many small changes meet more of what can go wrong than a few long ones.
static int
length(int max)
{
  int most = below(4) ? 2500 : MAXSIZE;
  return below(most < max ? most : max);
}

static void
must(int ok, const char *what, struct entry *e)
{
  if (!ok) {
    printf("crashload: %s %s failed\n", what, e->path);
    exit(1);
  }
}

static void
tell(struct entry *e)
{
  if (e->kind == FILE)
    printf("have %s %d %d\n", e->path, e->size, e->seed);
  else
    printf("%s %s\n", e->kind == DIR ? "dir" : "gone", e->path);
}

// Write n bytes more to the end of e's file, in writes of various lengths.
static void
extend(struct entry *e, int fd, int n)
{
  for (int i = 0; i < n; i++)
    data[i] = content_byte(e->seed, e->size + i);
  for (int done = 0, k; done < n; done += k) {
    k = 1 + below(9000);
    if (k > n - done)
      k = n - done;
    must(write(fd, data + done, k) == k, "write to", e);
  }
  e->size += n;
}

// A new file in e, or new content for the one there.
static void
rewrite(struct entry *e)
{
  int fd = open(e->path, O_CREATE | O_TRUNC | O_WRONLY);
  must(fd >= 0, "create", e);
  e->kind = FILE;
  e->size = 0;
  e->seed = below(256);
  extend(e, fd, length(MAXSIZE));
  close(fd);
}

static void
append(struct entry *e)
{
  int fd = open(e->path, O_RDWR);
  must(fd >= 0, "open", e);
  for (int left = e->size; left > 0; )
    left -= read(fd, data, left);
  extend(e, fd, length(MAXSIZE - e->size));
  close(fd);
}

// Remove e; a file sometimes while it is open, and then it is written to before it goes.
static void
removal(struct entry *e)
{
  int fd = e->kind == FILE && below(2) ? open(e->path, O_WRONLY) : -1;
  must(unlink(e->path) == 0, "unlink", e);
  if (fd >= 0) {
    must(write(fd, data, sizeof(data)) == sizeof(data), "write to the removed", e);
    close(fd);
  }
  e->kind = GONE;
}

// Give the file of `from` the name of `to`, which is free.
static void
move(struct entry *from, struct entry *to)
{
  must(link(from->path, to->path) == 0, "link from", from);
  must(unlink(from->path) == 0, "unlink", from);
  to->kind = FILE;
  to->size = from->size;
  to->seed = from->seed;
  from->kind = GONE;
}

static void
step(void)
{
  struct entry *e = &entries[below(NAMES)];
  struct entry *other = &entries[below(NAMES)];
  int choice = below(4);
  printf("doing %s\n", e->path);
  if (e->kind == FILE && choice == 0 && other->kind == GONE) {
    printf("doing %s\n", other->path);
    move(e, other);
    tell(other);
  } else if (e->kind == FILE && choice == 1) {
    append(e);
  } else if (e->kind != GONE && (choice == 2 || e->kind == DIR)) {
    removal(e);
  } else if (e->kind == GONE && choice == 0) {
    must(mkdir(e->path) == 0, "mkdir", e);
    e->kind = DIR;
  } else {
    rewrite(e);
  }
  tell(e);
}

static void
worker(int number)
{
  struct entry home = { .path = "w0" };
  home.path[1] += number;
  must(mkdir(home.path) == 0, "mkdir", &home);
  for (int i = 0; i < NAMES; i++) {
    strcpy(entries[i].path, "w0/f0");
    entries[i].path[1] += number;
    entries[i].path[4] += i;
  }
  for (;;)
    step();
}

int
main(int argc, char *argv[])
{
  if (argc != 2) {
    fprintf(2, "usage: crashload seed\n");
    return 1;
  }
  for (int i = 0; i < WORKERS; i++) {
    if (fork() == 0) {
      randomstate = atoi(argv[1]) * WORKERS + i;
      worker(i);
    }
  }
  wait(0);   // none ends but by failing
  return 1;
}
