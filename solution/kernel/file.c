// file.c - open files: what a file descriptor leads to, an inode, a device or a pipe.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "stat.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "fs.h"
#include "file.h"
#include "proc.h"
#include "defs.h"

// How much of a file is read or written between two looks at the user's pages.
#define PIECE (32 * 1024)

struct devsw devsw[NDEV];

static struct {
  struct spinlock lock;          // protects all here, and ref of each file
  struct file     pool[NFILE];
  struct file    *idle[NFILE];   // the first nidle are in use by nobody
  int             nidle;
} files;

void
fileinit(void)
{
  initlock(&files.lock, "files");
  for (int i = NFILE; i > 0; i--)
    files.idle[files.nidle++] = &files.pool[i - 1];
}

// An open file without a type, with one reference. Returns 0 if NFILE are open.
struct file *
filealloc(void)
{
  struct file *f = 0;
  acquire(&files.lock);
  if (files.nidle > 0) {
    f = files.idle[--files.nidle];
    *f = (struct file){ .type = FD_NONE, .ref = 1 };
  }
  release(&files.lock);
  return f;
}

// One more reference to f.
struct file *
filedup(struct file *f)
{
  acquire(&files.lock);
  if (f->ref < 1)
    panic("filedup: the file is not open");
  f->ref++;
  release(&files.lock);
  return f;
}

// Give up a reference to f; with the last one the file is closed.
// No lock may be held, nor an operation be running.
void
fileclose(struct file *f)
{
  acquire(&files.lock);
  if (f->ref < 1)
    panic("fileclose: the file is not open");
  if (--f->ref > 0) {
    release(&files.lock);
    return;
  }
#if LAB_TASK >= 9
  if (f->type == FD_ANON) {   // the pages go before f becomes another file
    release(&files.lock);
    anonclose(f);
    acquire(&files.lock);
  }
#endif
  struct file was = *f;
  f->type = FD_NONE;
  files.idle[files.nidle++] = f;
  release(&files.lock);

  if (was.type == FD_PIPE)
    pipeclose(was.pipe, was.writable);
  if (was.type == FD_INODE || was.type == FD_DEVICE) {
    begin_op();
    iput(was.ip);
    end_op();
  }
}

// Put what fstat tells of f at user address addr. Returns 0 or -1.
int
filestat(struct file *f, uint64 addr)
{
  if (f->type != FD_INODE && f->type != FD_DEVICE)
    return -1;
  struct stat st;
  ilock(f->ip);
  stati(f->ip, &st);
  iunlock(f->ip);
  return copyout(myproc()->pagetable, addr, (char *)&st, sizeof(st));
}

// The device that f is open on, or 0 if there is none of that number.
static struct devsw *
device(struct file *f)
{
  return f->major >= 0 && f->major < NDEV ? &devsw[f->major] : 0;
}

// How many of n bytes the file has from its offset on. Only a guess once the lock is given up,
// but one that keeps us from asking for user pages that nothing will be put into.
static int
remaining(struct file *f, int n)
{
  ilock(f->ip);
  uint size = f->ip->size;
  uint left = f->off < size ? size - f->off : 0;
  iunlock(f->ip);
  return left < n ? left : n;
}

// Read from an inode, piece by piece.
static int
readinode(struct file *f, uint64 addr, int n)
{
  int done = 0;
  while (done < n) {
    int want = remaining(f, n - done < PIECE ? n - done : PIECE);
    if (want == 0)
      break;
    if (vmprefault(addr + done, want, 0) < 0)
      return -1;
    ilock(f->ip);
    int got = readi(f->ip, 1, addr + done, f->off, want);
    if (got > 0)
      f->off += got;
    iunlock(f->ip);
    if (got < 0)
      return -1;
    done += got;
    if (got < want)
      break;
  }
  return done;
}

// Read up to n bytes to user address addr. Returns how many there were, 0 at the end, or -1.
int
fileread(struct file *f, uint64 addr, int n)
{
  if (!f->readable || n < 0)
    return -1;
  if (f->type == FD_PIPE)
    return piperead(f->pipe, addr, n);
  if (f->type == FD_INODE)
    return readinode(f, addr, n);
  struct devsw *dev = device(f);
  return dev && dev->read ? dev->read(1, addr, n) : -1;
}

// Write as much of n bytes as one log operation can take, at the file's offset.
// Returns how many were written, or -1 if not all that fit.
static int
writesome(struct file *f, uint64 addr, int n)
{
  ilock(f->ip);
  int room = writemax() - f->off % BSIZE;
  int k = n < room ? n : room;
  int put = writei(f->ip, 1, addr, f->off, k);
  if (put > 0)
    f->off += put;
  iunlock(f->ip);
  return put == k ? k : -1;
}

// Write a piece whose user pages are present. Returns 0 or -1.
static int
writepiece(struct file *f, uint64 addr, int n)
{
  int put;
  begin_op();
  while ((put = writesome(f, addr, n)) > 0 && put < n) {
    addr += put;
    n -= put;
    next_op();
  }
  end_op();
  return put < 0 ? -1 : 0;
}

// Write to an inode, piece by piece.
static int
writeinode(struct file *f, uint64 addr, int n)
{
  for (int done = 0, k; done < n; done += k) {
    k = n - done < PIECE ? n - done : PIECE;
    if (vmprefault(addr + done, k, 1) < 0 || writepiece(f, addr + done, k) < 0)
      return -1;
  }
  return n;
}

// Write n bytes from user address addr. Returns n (a pipe may take fewer), or -1; then some may
// have been written.
int
filewrite(struct file *f, uint64 addr, int n)
{
  if (!f->writable || n < 0)
    return -1;
  if (f->type == FD_PIPE)
    return pipewrite(f->pipe, addr, n);
  if (f->type == FD_INODE)
    return writeinode(f, addr, n);
  struct devsw *dev = device(f);
  return dev && dev->write ? dev->write(1, addr, n) : -1;
}
