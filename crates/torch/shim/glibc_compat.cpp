// Definitions that GCC's headers refer to and that the C and C++ libraries of RHEL 8 (glibc 2.28,
// GLIBCXX_3.4.25) lack: the oldest that libtorch supports. The addon exports none of them.

#include <new>
#include <sstream>

// glibc 2.32. Zero means that there may be several threads: reference counts are atomic.
extern "C" {
char __libc_single_threaded = 0;
}

// GLIBCXX_3.4.29
void std::__throw_bad_array_new_length() { throw bad_array_new_length(); }

// GLIBCXX_3.4.26: its default constructor.
template class std::basic_ostringstream<char>;
