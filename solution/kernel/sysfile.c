// sysfile.c - system calls on files: arguments are checked here, the work is done in file.c and fs.c.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "stat.h"
#include "fcntl.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "fs.h"
#include "file.h"
#include "proc.h"
#include "defs.h"

#define MAXNLINK 32767   // nlink is a short

// Argument n is a file descriptor: get its number and the open file that it stands for. Either
// pointer may be 0, if the caller has no use for it. Returns 0, or -1 if it stands for none.
static int
argfd(int n, int *number, struct file **file)
{
  int fd;
  argint(n, &fd);
  struct file *f = fd >= 0 && fd < NOFILE ? myproc()->ofile[fd] : 0;
  if (file)
    *file = f;
  if (number)
    *number = fd;
  return f ? 0 : -1;
}

// Give the process's lowest free descriptor to f; the caller's reference goes with it.
// Returns the descriptor, or -1 if there is none.
static int
fdalloc(struct file *f)
{
  struct proc *p = myproc();
  int fd = 0;
  while (fd < NOFILE && p->ofile[fd])
    fd++;
  if (fd == NOFILE)
    return -1;
  p->ofile[fd] = f;
  return fd;
}

// Close f, and free its descriptor fd unless that is -1.
static void
closeboth(int fd, struct file *f)
{
  if (fd >= 0)
    myproc()->ofile[fd] = 0;
  fileclose(f);
}

// ---- Calls on a descriptor.

uint64
sys_dup(void)
{
  struct file *f;
  if (argfd(0, 0, &f) < 0)
    return -1;
  int fd = fdalloc(f);
  if (fd >= 0)
    filedup(f);
  return fd;
}

uint64
sys_read(void)
{
  struct file *f;
  uint64 addr;
  int n;
  argaddr(1, &addr);
  argint(2, &n);
  return argfd(0, 0, &f) < 0 ? -1 : fileread(f, addr, n);
}

uint64
sys_write(void)
{
  struct file *f;
  uint64 addr;
  int n;
  argaddr(1, &addr);
  argint(2, &n);
  return argfd(0, 0, &f) < 0 ? -1 : filewrite(f, addr, n);
}

uint64
sys_close(void)
{
  struct file *f;
  int fd;
  if (argfd(0, &fd, &f) < 0)
    return -1;
  closeboth(fd, f);
  return 0;
}

uint64
sys_fstat(void)
{
  struct file *f;
  uint64 addr;
  argaddr(1, &addr);
  return argfd(0, 0, &f) < 0 ? -1 : filestat(f, addr);
}

uint64
sys_pipe(void)
{
  struct file *end[2];
  uint64 addr;
  argaddr(0, &addr);
  if (pipealloc(&end[0], &end[1]) < 0)
    return -1;
  int fd[2];
  fd[0] = fdalloc(end[0]);
  fd[1] = fdalloc(end[1]);
  if (fd[0] >= 0 && fd[1] >= 0 && copyout(myproc()->pagetable, addr, (char *)fd, sizeof(fd)) == 0)
    return 0;
  closeboth(fd[0], end[0]);
  closeboth(fd[1], end[1]);
  return -1;
}

// ---- Calls on a path. Each gets its strings first, then does its work in one operation.

// Make the new inode ip, locked and without links, known as name in dp, which is locked too.
// A directory gets its first two entries. Returns 0, or -1 and ip still has no link.
static int
install_inode(struct inode *dp, char *name, struct inode *ip)
{
  int isdir = ip->type == T_DIR;
  ip->nlink = 1;
  if ((isdir && (dirlink(ip, ".", ip->inum) < 0 || dirlink(ip, "..", dp->inum) < 0)) ||
      dirlink(dp, name, ip->inum) < 0) {
    ip->nlink = 0;
    return -1;
  }
  iupdate(ip);
  if (isdir) {
    dp->nlink++;   // for ".."
    iupdate(dp);
  }
  return 0;
}

// A new inode, locked, in directory dp, which is locked too. Returns 0 if that can't be.
static struct inode *
create_in(struct inode *dp, char *name, short type, short major, short minor)
{
  struct inode *ip = ialloc(dp->dev, type);
  if (ip == 0)
    return 0;
  ilock(ip);
  ip->major = major;
  ip->minor = minor;
  if (install_inode(dp, name, ip) == 0)
    return ip;
  iunlockput(ip);   // without a link: deletes it
  return 0;
}

// What open with O_CREATE, mkdir and mknod have in common: make a new inode for path. Type T_FILE
// is content with a file or a device that is there already.
// Returns the inode, locked, or 0. The caller runs an operation.
static struct inode *
create(char *path, short type, short major, short minor)
{
  char name[DIRSIZ];
  struct inode *dp = nameiparent(path, name);
  if (dp == 0)
    return 0;
  ilock(dp);
  if (dirfind(dp, name, 0) == 0) {
    struct inode *ip = create_in(dp, name, type, major, minor);
    iunlockput(dp);
    return ip;
  }
  struct inode *ip = dirlookup(dp, name, 0);
  iunlockput(dp);   // before ip is locked, which may be dp or its parent
  if (ip == 0)
    return 0;
  ilock(ip);
  if (type == T_FILE && ip->type != T_DIR)
    return ip;
  iunlockput(ip);
  return 0;
}

// The inode that open is to open, locked, or 0. The caller runs an operation.
static struct inode *
inode_to_open(char *path, int mode)
{
  if (mode & O_CREATE)
    return create(path, T_FILE, 0, 0);
  struct inode *ip = namei(path);
  if (ip == 0)
    return 0;
  ilock(ip);
  if (ip->type == T_DIR && mode != O_RDONLY) {
    iunlockput(ip);
    return 0;
  }
  return ip;
}

// Make f, which is new, an open file of ip, which is locked; f takes over the reference.
// Returns 0, or -1 and nothing is changed.
static int
open_inode(struct file *f, struct inode *ip, int mode)
{
  if (ip->type == T_DEVICE && (ip->major < 0 || ip->major >= NDEV))
    return -1;
  f->type = ip->type == T_DEVICE ? FD_DEVICE : FD_INODE;
  f->major = ip->major;
  f->ip = ip;
  f->readable = (mode & O_WRONLY) == 0;
  f->writable = (mode & (O_WRONLY | O_RDWR)) != 0;
  if ((mode & O_TRUNC) && ip->type == T_FILE)
    itrunc(ip);
  return 0;
}

// Make the new file f an open file of what path names. Returns 0 or -1.
static int
open_path(struct file *f, char *path, int mode)
{
  int r = -1;
  begin_op();
  struct inode *ip = inode_to_open(path, mode);
  if (ip) {
    r = open_inode(f, ip, mode);
    iunlock(ip);
    if (r < 0)
      iput(ip);
  }
  end_op();
  return r;
}

uint64
sys_open(void)
{
  char path[MAXPATH];
  int mode;
  argint(1, &mode);
  if (argstr(0, path, MAXPATH) < 0)
    return -1;
  struct file *f = filealloc();
  if (f == 0)
    return -1;
  int fd = fdalloc(f);
  if (fd < 0 || open_path(f, path, mode) < 0) {
    closeboth(fd, f);
    return -1;
  }
  return fd;
}

// Create something that is not opened. Returns 0 or -1.
static int
make_node(char *path, short type, short major, short minor)
{
  begin_op();
  struct inode *ip = create(path, type, major, minor);
  if (ip)
    iunlockput(ip);
  end_op();
  return ip ? 0 : -1;
}

uint64
sys_mkdir(void)
{
  char path[MAXPATH];
  return argstr(0, path, MAXPATH) < 0 ? -1 : make_node(path, T_DIR, 0, 0);
}

uint64
sys_mknod(void)
{
  char path[MAXPATH];
  int major, minor;
  argint(1, &major);
  argint(2, &minor);
  return argstr(0, path, MAXPATH) < 0 ? -1 : make_node(path, T_DEVICE, major, minor);
}

uint64
sys_chdir(void)
{
  char path[MAXPATH];
  struct proc *p = myproc();
  if (argstr(0, path, MAXPATH) < 0)
    return -1;
  begin_op();
  struct inode *ip = namei(path);
  int ok = 0;
  if (ip) {
    ilock(ip);
    ok = ip->type == T_DIR;
    iunlock(ip);
    iput(ok ? p->cwd : ip);
    if (ok)
      p->cwd = ip;
  }
  end_op();
  return ok ? 0 : -1;
}

// Add n to the link count of ip if a file may have so many links and is not deleted.
// Returns 0 or -1.
static int
addlinks(struct inode *ip, int n)
{
  ilock(ip);
  int ok = n < 0 || (ip->type != T_DIR && ip->nlink > 0 && ip->nlink < MAXNLINK);
  if (ok) {
    ip->nlink += n;
    iupdate(ip);
  }
  iunlock(ip);
  return ok ? 0 : -1;
}

// Enter ip, which counts the new link already, under path. Returns 0 or -1.
static int
enter_link(struct inode *ip, char *path)
{
  char name[DIRSIZ];
  struct inode *dp = nameiparent(path, name);
  if (dp == 0)
    return -1;
  ilock(dp);
  int r = dp->dev == ip->dev ? dirlink(dp, name, ip->inum) : -1;
  iunlockput(dp);
  return r;
}

uint64
sys_link(void)
{
  char old[MAXPATH], new[MAXPATH];
  if (argstr(0, old, MAXPATH) < 0 || argstr(1, new, MAXPATH) < 0)
    return -1;
  begin_op();
  int ok = 0;
  struct inode *ip = namei(old);
  if (ip && addlinks(ip, 1) == 0) {
    ok = enter_link(ip, new) == 0;
    if (!ok)
      addlinks(ip, -1);
  }
  if (ip)
    iput(ip);
  end_op();
  return ok ? 0 : -1;
}

// Take the entry at off out of dp, and one link from what it names, ip. Both are locked.
static void
remove_entry(struct inode *dp, uint off, struct inode *ip)
{
  dirput(dp, off, "", 0);
  ip->nlink--;
  iupdate(ip);
  if (ip->type == T_DIR) {
    dirremoved(dp, ip);
    dp->nlink--;   // that was for ".."
    iupdate(dp);
  }
}

// Remove name from directory dp, which is locked. Returns 0 or -1.
static int
unlink_in(struct inode *dp, char *name)
{
  uint off;
  if (namecmp(name, ".") == 0 || namecmp(name, "..") == 0)
    return -1;
  struct inode *ip = dirlookup(dp, name, &off);
  if (ip == 0)
    return -1;
  ilock(ip);
  int ok = ip->type != T_DIR || dirempty(ip);
  if (ok)
    remove_entry(dp, off, ip);
  iunlockput(ip);
  return ok ? 0 : -1;
}

uint64
sys_unlink(void)
{
  char path[MAXPATH], name[DIRSIZ];
  if (argstr(0, path, MAXPATH) < 0)
    return -1;
  begin_op();
  int r = -1;
  struct inode *dp = nameiparent(path, name);
  if (dp) {
    ilock(dp);
    r = unlink_in(dp, name);
    iunlockput(dp);
  }
  end_op();
  return r;
}

// ---- exec and mappings.

// Copy the strings that the user's array of pointers names into page, one after another, and
// point argv at them, with a 0 at the end. They have to fit the new program's stack in any
// case, so one page is enough. Returns 0 or -1.
static int
fetchargs(uint64 array, char *page, char **argv)
{
  int used = 0;
  for (int i = 0; i < MAXARG; i++) {
    uint64 str;
    if (fetchaddr(array + i * sizeof(str), &str) < 0)
      return -1;
    argv[i] = 0;
    if (str == 0)
      return 0;
    int len = fetchstr(str, page + used, PGSIZE - used);
    if (len < 0)
      return -1;
    argv[i] = page + used;
    used += len + 1;
  }
  return -1;
}

uint64
sys_exec(void)
{
  char path[MAXPATH], *argv[MAXARG];
  uint64 array;
  argaddr(1, &array);
  if (argstr(0, path, MAXPATH) < 0)
    return -1;
  char *page = kalloc();
  if (page == 0)
    return -1;
  int r = fetchargs(array, page, argv) < 0 ? -1 : kexec(path, argv);
  kfree(page);
  return r;
}

#if LAB_TASK >= 1
uint64
sys_mmap(void)
{
#if LAB_TASK >= 3
  uint64 addr, len, off;
  int prot, flags;
  struct file *f;
  argaddr(0, &addr);
  argaddr(1, &len);
  argint(2, &prot);
  argint(3, &flags);
  argaddr(5, &off);
#if LAB_TASK >= 9
  int fd;
  argint(4, &fd);
  if (flags & MAP_ANONYMOUS)
    return fd == -1 ? do_mmap(addr, len, prot, flags & ~MAP_ANONYMOUS, 0, off) : -1;
#else
  // TODO(task 9): MAP_ANONYMOUS maps no file, and fd must be -1. See docs/task9.md.
#endif
  return argfd(4, 0, &f) < 0 ? -1 : do_mmap(addr, len, prot, flags, f, off);
#else
  // TODO(task 3): fetch the six arguments and call do_mmap. len and offset are 64 bits wide. See docs/task3.md.
  return -1;
#endif
}

uint64
sys_munmap(void)
{
#if LAB_TASK >= 5
  uint64 addr, len;
  argaddr(0, &addr);
  argaddr(1, &len);
  return do_munmap(addr, len);
#else
  // TODO(task 5): fetch the two arguments and call do_munmap. len is 64 bits wide. See docs/task5.md.
  return -1;
#endif
}
#if LAB_TASK >= 11

uint64
sys_mprotect(void)
{
  uint64 addr, len;
  int prot;
  argaddr(0, &addr);
  argaddr(1, &len);
  argint(2, &prot);
  return do_mprotect(addr, len, prot);
}
#else
// TODO(task 11): sys_mprotect. See docs/task11.md.
#endif
#if LAB_TASK >= 14

uint64
sys_msync(void)
{
  uint64 addr, len;
  argaddr(0, &addr);
  argaddr(1, &len);
  return do_msync(addr, len);
}
#else
// TODO(task 14): sys_msync. See docs/task14.md.
#endif
#else
// TODO(task 1): sys_mmap and sys_munmap; for now both return -1. See docs/task1.md.
#endif
