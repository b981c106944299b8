#include "store/statement.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace sandboxd::store {
namespace {

// Leaves the statement ready for its next use on every way out.
class Reset {
 public:
  explicit Reset(sqlite3_stmt* statement) : statement_(statement) {}
  Reset(const Reset&) = delete;
  Reset& operator=(const Reset&) = delete;
  ~Reset() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

bool is_plain(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::string quoted(std::string_view bytes) {
  std::string out = "'";
  for (const char c : bytes) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

std::string hex_of(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace

Binder& Binder::bind(std::string_view text) {
  // SQLite reads a null pointer as NULL, and an empty view may have one.
  const char* data = text.data() ? text.data() : "";
  const int code = sqlite3_bind_text64(statement_, next_++, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (status_ == SQLITE_OK) status_ = code;
  return *this;
}

Binder& Binder::bind_blob(std::string_view bytes) {
  const char* data = bytes.data() ? bytes.data() : "";
  const int code = sqlite3_bind_blob64(statement_, next_++, data, bytes.size(), SQLITE_TRANSIENT);
  if (status_ == SQLITE_OK) status_ = code;
  return *this;
}

Binder& Binder::bind(std::int64_t number) {
  const int code = sqlite3_bind_int64(statement_, next_++, number);
  if (status_ == SQLITE_OK) status_ = code;
  return *this;
}

Binder& Binder::bind(std::optional<WallTime> at) {
  if (at) return bind(*at);
  const int code = sqlite3_bind_null(statement_, next_++);
  if (status_ == SQLITE_OK) status_ = code;
  return *this;
}

std::string Row::text(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return data ? std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))) : std::string();
}

std::int64_t Row::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::optional<WallTime> Row::optional_time(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return time(column);
}

int Row::size() const { return sqlite3_column_count(statement_); }

std::string Row::name(int column) const { return sqlite3_column_name(statement_, column); }

std::string Row::literal(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_NULL: return "NULL";
    case SQLITE_INTEGER: return std::to_string(integer(column));
    case SQLITE_BLOB: return "X'" + hex_of(text(column)) + "'";
    case SQLITE_TEXT: {
      const std::string bytes = text(column);
      // Quotes hold printable ASCII only: everything else could be changed by whoever shows or edits the text.
      return is_plain(bytes) ? quoted(bytes) : "CAST(X'" + hex_of(bytes) + "' AS TEXT)";
    }
    default: {
      std::array<char, 64> number{};
      std::snprintf(number.data(), number.size(), "%.17g", sqlite3_column_double(statement_, column));
      return number.data();
    }
  }
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() { sqlite3_finalize(statement_); }

Result<void> Statement::run(const Bind& bind) {
  return each(bind, [](const Row&) { return Result<void>(); });
}

Result<void> Statement::each(const Bind& bind, const std::function<Result<void>(const Row&)>& visit) {
  const Reset reset(statement_);
  if (bind) {
    Binder binder(statement_);
    bind(binder);
    if (binder.status() != SQLITE_OK) return database_->error(binder.status(), "binding a value");
  }
  while (true) {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_DONE) return {};
    if (code != SQLITE_ROW) return database_->error(code, "running a statement");
    SBX_CHECK(visit(Row(statement_)));
  }
}

}  // namespace sandboxd::store
