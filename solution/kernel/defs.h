// defs.h - what each file of the kernel offers to the others.
#pragma once

#include "types.h"
#include "riscv.h"

struct buf;
struct context;
struct file;
struct inode;
struct pipe;
struct proc;
struct sleeplock;
struct spinlock;
struct stat;
struct superblock;
struct vma;

// bio.c
void            binit(void);
struct buf     *bread(uint dev, uint blockno);
struct buf     *bnew(uint dev, uint blockno);
void            bprefetch(uint dev, uint *blocknos, int n);
void            bwrite(struct buf **bufs, int n);
void            brelse(struct buf *b);
void            bpin(struct buf *b);
void            bunpin(struct buf *b);

// console.c
void            consoleinit(void);
void            consoleintr(int c);

// exec.c
int             kexec(char *path, char **argv);

// failalloc.c
#ifdef FAILALLOC
void            failinit(void);
int             failnow(void);
int             kspare(void);
#endif

// file.c
void            fileinit(void);
struct file    *filealloc(void);
struct file    *filedup(struct file *f);
void            fileclose(struct file *f);
int             fileread(struct file *f, uint64 addr, int n);
int             filewrite(struct file *f, uint64 addr, int n);
int             filestat(struct file *f, uint64 addr);

// fs.c
void            iinit(void);
void            fsinit(int dev);
struct inode   *ialloc(uint dev, short type);
struct inode   *idup(struct inode *ip);
void            ilock(struct inode *ip);
void            iunlock(struct inode *ip);
void            iput(struct inode *ip);
void            iunlockput(struct inode *ip);
void            iupdate(struct inode *ip);
void            itrunc(struct inode *ip);
int             readi(struct inode *ip, int user_dst, uint64 dst, uint off, uint n);
int             writei(struct inode *ip, int user_src, uint64 src, uint off, uint n);
int             writemax(void);
void            stati(struct inode *ip, struct stat *st);
struct inode   *dirlookup(struct inode *dp, char *name, uint *poff);
uint            dirfind(struct inode *dp, char *name, uint *poff);
int             dirlink(struct inode *dp, char *name, uint inum);
int             dirput(struct inode *dp, uint off, char *name, uint inum);
int             dirempty(struct inode *dp);
void            dirremoved(struct inode *dp, struct inode *ip);
int             namecmp(const char *s, const char *t);
struct inode   *namei(char *path);
struct inode   *nameiparent(char *path, char *name);

// kalloc.c
void            kinit(void);
void           *kalloc(void);
void           *kzalloc(void);
void            kfree(void *pa);
void            kref(void *pa);
int             kshared(void *pa);
#if LAB_TASK >= 13
int             kcow(void *pa, int sure);
void           *kown(void *pa);
#endif
void           *tablealloc(void);
void            tablefree(void *pa);

// log.c
void            initlog(uint dev, struct superblock *sb);
void            begin_op(void);
void            end_op(void);
void            next_op(void);
void            log_write(struct buf *b);
void            log_flush(void);

// meminfo.c
#if LAB_TASK >= 12
int             mapinfo(uint64 addr);
int             virtpages(void);
int             physpages(void);
int             tablepages(void);
uint64          physaddr(uint64 va);
#endif

// mmap.c
uint64          do_mmap(uint64 addr, uint64 len, int prot, int flags, struct file *f, uint64 off);
int             do_munmap(uint64 addr, uint64 len);
#if LAB_TASK >= 4
uint64          mmapfault(struct proc *p, uint64 va, int access);
#endif
#if LAB_TASK >= 6
void            munmapall(struct proc *p);
#endif
#if LAB_TASK >= 7
int             mmapcopy(struct proc *from, struct proc *to);
#endif
#if LAB_TASK >= 8
void            mmapinit(void);
#endif
#if LAB_TASK >= 9
void            anonclose(struct file *f);
#endif
#if LAB_TASK >= 11
int             do_mprotect(uint64 addr, uint64 len, int prot);
#endif
#if LAB_TASK >= 13
uint64          cowfault(pte_t *pte);
#endif
#if LAB_TASK >= 14
int             do_msync(uint64 addr, uint64 len);
char           *filepage(struct inode *ip, uint pageno);
void            pagedone(char *page);
void            filepagewrite(struct inode *ip, uint off, void *data, uint n, void *src);
void            filepagetrunc(struct inode *ip);
#endif

// pipe.c
int             pipealloc(struct file **rf, struct file **wf);
void            pipeclose(struct pipe *pi, int writable);
int             piperead(struct pipe *pi, uint64 addr, int n);
int             pipewrite(struct pipe *pi, uint64 addr, int n);

// power.c
void            powerinit(void);

// plic.c
void            plicinit(void);
int             plic_claim(void);
void            plic_complete(int irq);

// printf.c
int             printf(char *fmt, ...) __attribute__((format(printf, 1, 2)));
void            panic(char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void            backtrace(void);
extern int      panicked;

// proc.c
void            procinit(void);
void            userinit(void);
void            scheduler(void) __attribute__((noreturn));
int             anyready(void);
void            yield(void);
void            nudgeharts(void);
void            sleep(void *chan, struct spinlock *lk);
void            deepsleep(void *chan, struct spinlock *lk);
void            wakeup(void *chan);
int             kfork(void);
void            kexit(int status) __attribute__((noreturn));
int             kwait(uint64 addr);
int             kkill(int pid);
int             killed(struct proc *p);
void            setkilled(struct proc *p);
int             growproc(int n);
int             growlazy(int n);
pagetable_t     proc_pagetable(struct proc *p);
void            proc_freepagetable(pagetable_t pagetable, uint64 sz);
void            proc_mapstacks(pagetable_t kpgtbl);
int             either_copyout(int user_dst, uint64 dst, void *src, uint64 len);
int             either_copyin(void *dst, int user_src, uint64 src, uint64 len);
void            procdump(void);

// sleeplock.c
void            initsleeplock(struct sleeplock *lk, char *name);
void            acquiresleep(struct sleeplock *lk);
void            releasesleep(struct sleeplock *lk);
int             holdingsleep(struct sleeplock *lk);

// spinlock.c
void            initlock(struct spinlock *lk, char *name);
void            acquire(struct spinlock *lk);
void            release(struct spinlock *lk);
int             holding(struct spinlock *lk);
void            push_off(void);
void            pop_off(void);

// string.c
int             memcmp(const void *a, const void *b, size_t n);
void           *memmove(void *dst, const void *src, size_t n);
void           *memcpy(void *dst, const void *src, size_t n);
void           *memset(void *dst, int c, size_t n);
char           *safestrcpy(char *dst, const char *src, int n);
int             strlen(const char *s);
int             strncmp(const char *a, const char *b, uint n);
char           *strncpy(char *dst, const char *src, int n);

// swtch.S
void            swtch(struct context *from, struct context *to);

// syscall.c
void            argint(int n, int *ip);
void            argaddr(int n, uint64 *ap);
int             argstr(int n, char *buf, int max);
int             fetchaddr(uint64 addr, uint64 *ip);
int             fetchstr(uint64 addr, char *buf, int max);
void            syscall(void);

// trap.c
void            trapinithart(void);
void            prepare_return(void);
extern uint     ticks;
extern struct spinlock tickslock;

// uart.c
void            uartinit(void);
void            uartintr(void);
void            uartwrite(const char *s, int n);

// virtio_disk.c
void            virtio_disk_init(void);
void            virtio_disk_intr(void);
void            disk_read(struct buf **bufs, int n);
void            disk_write(struct buf **bufs, int n);
void            disk_write_at(struct buf **bufs, int n, uint where);
void            disk_wait(struct buf *b);

// vm.c
void            kvminit(void);
void            kvminithart(void);
void            kvmmap(pagetable_t kpgtbl, uint64 va, uint64 pa, uint64 size, int perm);
pte_t          *walk(pagetable_t pagetable, uint64 va, int alloc);
pte_t          *walknext(pagetable_t pagetable, uint64 *va, uint64 end);
uint64          walkaddr(pagetable_t pagetable, uint64 va);
int             ismapped(pagetable_t pagetable, uint64 va);
int             mappages(pagetable_t pagetable, uint64 va, uint64 size, uint64 pa, int perm);
pagetable_t     uvmcreate(void);
uint64          uvmalloc(pagetable_t pagetable, uint64 oldsz, uint64 newsz, int xperm);
uint64          uvmdealloc(pagetable_t pagetable, uint64 oldsz, uint64 newsz);
int             uvmcopy(pagetable_t old, pagetable_t new, uint64 sz);
void            uvmfree(pagetable_t pagetable, uint64 sz);
void            uvmunmap(pagetable_t pagetable, uint64 va, uint64 npages, int do_free);
void            uvmclear(pagetable_t pagetable, uint64 va);
uint64          vmfault(pagetable_t pagetable, uint64 va, int read);
int             vmprefault(uint64 va, uint64 len, int read);
int             copyout(pagetable_t pagetable, uint64 dstva, char *src, uint64 len);
int             copyin(pagetable_t pagetable, char *dst, uint64 srcva, uint64 len);
int             copyinstr(pagetable_t pagetable, char *dst, uint64 srcva, uint64 max);

// vma.c
#if LAB_TASK >= 3
int             findvma(struct proc *p, uint64 va);
void            insertvma(struct proc *p, int i, struct vma v);
uint64          placevma(struct proc *p, uint64 len);
#endif
#if LAB_TASK >= 5
void            removevma(struct proc *p, int i);
void            splitvma(struct proc *p, int i, uint64 va);
#endif
#if LAB_TASK >= 10
int             freerange(struct proc *p, uint64 start, uint64 end);
int             slots(struct proc *p, uint64 start, uint64 end);
int             mergevma(struct proc *p, int i);
#endif
#if LAB_TASK >= 11
int             cuts(struct proc *p, uint64 start, uint64 end);
#endif

#define NELEM(x) (sizeof(x) / sizeof((x)[0]))
