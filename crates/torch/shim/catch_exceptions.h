// Conversion of C++ exceptions to a status, because an exception must not propagate into Rust.

#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

// Message of the last exception on this thread.
std::string &residual_error();

// Runs `body`. If it throws, stores the message in residual_error and returns false.
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
