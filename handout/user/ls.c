// ls.c - lists files: name, type (1 directory, 2 file, 3 device), inode number, bytes.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fs.h"
#include "kernel/fcntl.h"
#include "kernel/param.h"
#include "user/user.h"

static void
show(const char *name, const struct stat *st)
{
  static const char blanks[DIRSIZ + 1] = "              ";
  uint n = strlen(name);

  printf("%s%s %d %d %ld\n", name, blanks + (n < DIRSIZ ? n : DIRSIZ), st->type, st->ino, st->size);
}

// List the directory that fd reads. Returns 0, or 1 with a message if a file in it can't be looked at.
static int
listdirectory(int fd, const char *dir)
{
  static struct dirent entries[32];
  char path[MAXPATH];
  uint prefix = strlen(dir) + 1;
  int n, failed = 0;

  if (prefix + DIRSIZ + 1 > sizeof(path)) {
    fprintf(2, "ls: %s: path too long\n", dir);
    return 1;
  }
  strcpy(path, dir);
  path[prefix - 1] = '/';
  while ((n = read(fd, entries, sizeof(entries))) > 0) {
    for (int i = 0; i < n / sizeof(entries[0]); i++) {
      struct stat st;
      if (entries[i].inum == 0)
        continue;
      memcpy(path + prefix, entries[i].name, DIRSIZ);
      path[prefix + DIRSIZ] = 0;
      if (stat(path, &st) == 0) {
        show(path + prefix, &st);
      } else {
        fprintf(2, "ls: cannot stat %s\n", path);
        failed = 1;
      }
    }
  }
  return failed;
}

static int
list(const char *path)
{
  struct stat st;
  int failed = 0;
  int fd = open(path, O_RDONLY);

  if (fd < 0 || fstat(fd, &st) < 0) {
    fprintf(2, "ls: cannot open %s\n", path);
    return 1;
  }
  if (st.type == T_DIR)
    failed = listdirectory(fd, path);
  else
    show(path, &st);
  close(fd);
  return failed;
}

int
main(int argc, char *argv[])
{
  int failed = 0;

  if (argc == 1)
    return list(".");
  for (int i = 1; i < argc; i++)
    failed |= list(argv[i]);
  return failed;
}
