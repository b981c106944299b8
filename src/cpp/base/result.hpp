// Result<T>: a value or an Error, and the macros that pass errors up.
//
//   SBX_TRY(name, expression)      in plain functions: returns the error, else `name` holds the value
//   SBX_CO_TRY(name, expression)   the same in coroutines; `expression` may contain one co_await
//   SBX_CHECK / SBX_CO_CHECK(expression)   the same for Result<void>, or when the value is not wanted
//
// Use them only as statements of a block. The await sits in an initialiser, never in a condition (ADR 0001).
#pragma once

#include "base/error.hpp"

#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace sandboxd {

template <class T>
using Result = boost::system::result<T, Error>;

// What Result::value() throws when there is none. Meant for tests and for the edge of the program.
class ErrorException : public std::runtime_error {
 public:
  explicit ErrorException(Error error)
      : std::runtime_error(std::string(to_string(error.code())) + ": " + error.message()), error_(std::move(error)) {}
  [[nodiscard]] const Error& error() const { return error_; }

 private:
  Error error_;
};

// Found by Boost.System through argument-dependent lookup.
[[noreturn]] inline void throw_exception_from_error(const Error& error, const boost::source_location&) {
  throw ErrorException(error);
}

}  // namespace sandboxd

#define SBX_DETAIL_JOIN2(a, b) a##b
#define SBX_DETAIL_JOIN(a, b) SBX_DETAIL_JOIN2(a, b)

#define SBX_DETAIL_TRY(holder, leave, name, ...) \
  auto holder = __VA_ARGS__;                     \
  if (!holder) leave std::move(holder).error();  \
  auto name = *std::move(holder)

#define SBX_TRY(name, ...) SBX_DETAIL_TRY(SBX_DETAIL_JOIN(sbx_result_, __LINE__), return, name, __VA_ARGS__)
#define SBX_CO_TRY(name, ...) SBX_DETAIL_TRY(SBX_DETAIL_JOIN(sbx_result_, __LINE__), co_return, name, __VA_ARGS__)

#define SBX_CHECK(...)                                                      \
  do {                                                                      \
    if (auto sbx_check = __VA_ARGS__; !sbx_check) return sbx_check.error(); \
  } while (false)
#define SBX_CO_CHECK(...)                                                      \
  do {                                                                         \
    if (auto sbx_check = __VA_ARGS__; !sbx_check) co_return sbx_check.error(); \
  } while (false)
