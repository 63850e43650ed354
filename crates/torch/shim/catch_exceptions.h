// No C++ exception may cross into Rust: catch_exceptions stores its message for this thread.

#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

// Message of the last exception of this thread.
std::string &residual_error();

// Runs `body`. Returns false if it throws.
template <typename F>
bool catch_exceptions(F &&body) {
  try {
    body();
    return true;
  } catch (const c10::Error &e) {
    residual_error() = e.what_without_backtrace();
  } catch (const std::exception &e) {
    residual_error() = e.what();
  } catch (...) {
    residual_error() = "unknown C++ exception";
  }
  return false;
}
