// No C++ exception may cross into Rust: a guarded body's failure becomes a message of its thread.

#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

std::string &residual_error();

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
