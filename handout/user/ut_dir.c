// ut_dir.c - tests of usertests: directories and paths.
#include "user/ut.h"

static void
dir_rules(void)
{
  equal(mkdir("d"), 0, "mkdir");
  equal(mkdir("d"), -1, "mkdir of a name that exists");
  save("d/f", 1, 10);
  equal(mkdir("d/f"), -1, "mkdir of a file's name");
  equal(mkdir("d/f/g"), -1, "mkdir below a file");
  equal(mkdir("missing/g"), -1, "mkdir below a directory that is not there");
  equal(open("d/f/g", O_CREATE | O_RDWR), -1, "open below a file");
  equal(chdir("d/f"), -1, "chdir to a file");
  equal(chdir("missing"), -1, "chdir to a directory that is not there");
  equal(mknod("d", 1, 1), -1, "mknod of a directory's name");

  equal(open("d", O_RDWR), -1, "open of a directory to write");
  equal(open("d", O_WRONLY), -1, "open of a directory to write");
  equal(open("d", O_CREATE), -1, "open of a directory with O_CREATE");
  equal(open("d", O_TRUNC), -1, "open of a directory with O_TRUNC");
  int fd = mustopen("d", O_RDONLY);
  equal(write(fd, "x", 1), -1, "write to a directory");
  equal(info("d").type, T_DIR, "type of a directory");
  saved("d/f", 1, 10);
}

static void
dir_unlink(void)
{
  equal(mkdir("d"), 0, "mkdir");
  equal(mkdir("d/e"), 0, "mkdir");
  equal(unlink("d"), -1, "unlink of a directory with something in it");
  equal(unlink("d/."), -1, "unlink of .");
  equal(unlink("d/e/.."), -1, "unlink of ..");
  equal(unlink("."), -1, "unlink of .");
  equal(unlink(".."), -1, "unlink of ..");
  equal(unlink("/"), -1, "unlink of /");
  equal(unlink("d/e"), 0, "unlink of an empty directory");
  save("d/f", 1, 10);
  equal(unlink("d"), -1, "unlink of a directory with a file in it");
  equal(unlink("d/f"), 0, "unlink");
  equal(unlink("d"), 0, "unlink of a directory that became empty");
  equal(unlink("d"), -1, "unlink of a directory that has gone");
  equal(exists("d"), 0, "existence of an unlinked directory");
}

static void
dir_dots(void)
{
  int here = info(".").ino;
  equal(mkdir("d"), 0, "mkdir");
  int below = info("d").ino;
  expect(below != here, "a directory and its parent are both inode %d", here);
  equal(info("d/.").ino, below, "inode of d/.");
  equal(info("d/..").ino, here, "inode of d/..");
  equal(info("d/../d/./../d").ino, below, "inode of d/../d/./../d");
  equal(chdir("d"), 0, "chdir");
  equal(info(".").ino, below, "inode of . in d");
  equal(info("..").ino, here, "inode of .. in d");
  equal(chdir("../d/.."), 0, "chdir");
  equal(info(".").ino, here, "inode of . after ../d/..");
  equal(info("/..").ino, ROOTINO, "inode of /..");
  equal(info("/../../.").ino, ROOTINO, "inode of /../../.");
}

static void
path_forms(void)
{
  equal(mkdir("d"), 0, "mkdir");
  save("d/f", 1, 10);
  saved("d//f", 1, 10);
  saved(".///d/.//f", 1, 10);
  equal(mkdir("e/"), 0, "mkdir with a slash at the end");
  equal(info("e").type, T_DIR, "type of e");
  equal(info("e//").ino, info("e").ino, "inode of e//");
  equal(info("//").ino, ROOTINO, "inode of //");
  equal(mkdir("/"), -1, "mkdir of /");
  equal(open("/", O_CREATE | O_RDWR), -1, "open of / with O_CREATE");
}

// What a directory's links count: its name, its ., and the .. of those below.
static void
dir_links(void)
{
  equal(mkdir("d"), 0, "mkdir");
  int alone = info("d").nlink;
  for (int i = 0; i < 5; i++) {
    chdir("d");
    equal(mkdir(numbered("e", i)), 0, "mkdir");
    chdir("..");
    equal(info("d").nlink, alone + i + 1, "links of a directory with others in it");
  }
  chdir("d");
  for (int i = 0; i < 5; i++)
    equal(unlink(numbered("e", i)), 0, "unlink");
  chdir("..");
  equal(info("d").nlink, alone, "links of a directory that is empty again");
}

// A directory, read as a file, tells what is in it.
static void
dir_read(void)
{
  struct dirent entry;
  char seen[30] = {0};
  for (int i = 0; i < 30; i++)
    save(numbered("f", i), i, i);
  for (int i = 0; i < 30; i += 3)
    equal(unlink(numbered("f", i)), 0, "unlink");

  int fd = mustopen(".", O_RDONLY);
  while (readfull(fd, &entry, sizeof(entry)) == sizeof(entry)) {
    if (entry.inum == 0 || entry.name[0] == '.')
      continue;
    int i = atoi(entry.name + 1);
    expect(entry.name[0] == 'f' && i >= 0 && i < 30, "an entry that nobody made: %c%d", entry.name[0], i);
    equal(entry.inum, info(numbered("f", i)).ino, "inode in an entry");
    seen[i]++;
  }
  for (int i = 0; i < 30; i++)
    equal(seen[i], i % 3 != 0, "entries of a name");
}

// Hundreds of entries, over many blocks; places are used again.
static void
dir_big(void)
{
  enum { N = 300 };
  save("f", 1, 10);
  for (int i = 0; i < N; i++)
    equal(link("f", numbered("x", i)), 0, "link");
  int size = info(".").size;
  equal(info("f").nlink, N + 1, "links");
  for (int i = 0; i < N; i += 2)
    equal(unlink(numbered("x", i)), 0, "unlink");
  for (int i = 0; i < N; i += 17)
    equal(exists(numbered("x", i)), i % 2, "existence of every second entry");
  for (int i = 0; i < N; i += 2)
    equal(link("f", numbered("y", i)), 0, "link");
  equal(info(".").size, size, "size of a directory whose places are used again");
  for (int i = 0; i < N; i++)
    equal(unlink(numbered(i % 2 ? "x" : "y", i)), 0, "unlink");
  equal(info("f").nlink, 1, "links");
}

// A long way down, and the same way up.
static void
dir_deep(void)
{
  enum { DEPTH = 40 };
  int top = info(".").ino;
  for (int i = 0; i < DEPTH; i++) {
    equal(mkdir("d"), 0, "mkdir");
    equal(chdir("d"), 0, "chdir");
  }
  save("f", 1, 100);
  equal(chdir("../../../../../../../../../.."), 0, "chdir ten up");
  saved("d/d/d/d/d/d/d/d/d/d/f", 1, 100);
  for (int i = 0; i < DEPTH - 10; i++)
    equal(chdir(".."), 0, "chdir ..");
  equal(info(".").ino, top, "inode of where it began");

  for (int i = 0; i < DEPTH; i++)
    equal(chdir("d"), 0, "chdir");
  equal(unlink("f"), 0, "unlink");
  for (int i = 0; i < DEPTH; i++) {
    equal(chdir(".."), 0, "chdir ..");
    equal(unlink("d"), 0, "unlink of the deepest directory");
  }
}

// The current directory is removed: nothing can be made in it, and all else goes on.
static void
dir_gone(void)
{
  equal(mkdir("d"), 0, "mkdir");
  equal(chdir("d"), 0, "chdir");
  save("f", 1, 10);
  equal(unlink("../d"), -1, "unlink of a directory with a file in it");
  equal(unlink("f"), 0, "unlink");
  equal(unlink("../d"), 0, "unlink of the current directory");
  equal(open("f", O_CREATE | O_RDWR), -1, "open with O_CREATE in a removed directory");
  equal(mkdir("e"), -1, "mkdir in a removed directory");
  equal(link("/README", "l"), -1, "link into a removed directory");
  equal(mknod("n", 1, 1), -1, "mknod in a removed directory");
  equal(open("f", O_RDONLY), -1, "open in a removed directory");
  equal(chdir(ROOM), 0, "chdir out of a removed directory");
  equal(exists("d"), 0, "existence of a removed directory");
}

// The same, many times: a removed directory that is still in use gives its inode back.
static void
dir_gone_often(void)
{
  for (int i = 0; i < 60; i++) {
    equal(mkdir("d"), 0, "mkdir");
    int fd = mustopen("d", O_RDONLY);
    int pid = child();
    if (pid == 0) {
      equal(chdir("d"), 0, "chdir");
      equal(unlink("../d"), 0, "unlink of the current directory");
      exit(0);
    }
    ends(pid, 0);
    mustclose(fd);
  }
}

// Directories above the current one are removed too, and their inodes used again.
static void
dir_gone_above(void)
{
  for (int i = 0; i < 10; i++) {
    equal(mkdir("d"), 0, "mkdir");
    equal(mkdir("d/e"), 0, "mkdir");
    int pid = child();
    if (pid == 0) {
      equal(chdir("d/e"), 0, "chdir");
      equal(unlink("../../d/e"), 0, "unlink of the current directory");
      equal(unlink(ROOM "/d"), 0, "unlink of the directory above");
      if (i % 2)
        save(ROOM "/f", i, 100);
      exists("..");
      exists("../f");
      open("../g", O_CREATE | O_RDWR);
      chdir("..");
      exit(0);
    }
    ends(pid, 0);
    equal(exists("d") + exists("g"), 0, "existence of removed directories");
  }
}

static void
upanddown(long who)
{
  for (int i = 0; i < 30; i++) {
    if (who < 2) {
      mkdir("d");
      mkdir("d/e");
      unlink("d/e");
      unlink("d");
    } else {
      exists(who == 2 ? "d/e/../e/.." : "d/e/../../f");
    }
  }
}

// A path goes through directories that are just being removed.
static void
dir_gone_on_path(void)
{
  save("f", 1, 10);
  crowd(4, upanddown);
  unlink("d/e");
  unlink("d");
  equal(exists("d"), 0, "existence of a removed directory");
}

struct test dir_tests[] = {
  QUICK(dir_rules),
  QUICK(dir_unlink),
  QUICK(dir_dots),
  QUICK(path_forms),
  QUICK(dir_links),
  QUICK(dir_read),
  QUICK(dir_big),
  QUICK(dir_deep),
  QUICK(dir_gone),
  QUICK(dir_gone_often),
  QUICK(dir_gone_above),
  QUICK(dir_gone_on_path),
  END_OF_TESTS
};
