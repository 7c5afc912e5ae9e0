// vm.h - how memory is grown, and how it is touched.
#pragma once

#define SBRK_EAGER   1   // allocate the pages at once
#define SBRK_LAZY    2   // allocate each page when it is first touched

// vmfault's third argument: the access that faulted.
#define FAULT_STORE  0
#define FAULT_LOAD   1
#define FAULT_FETCH  2
