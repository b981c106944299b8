#include "containerd/tar_reader.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace sandboxd::containerd {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kExtensionBytesMax = 1024 * 1024;  // a long name, or extended attributes
constexpr std::int64_t kSizeMax = std::int64_t{1} << 50;

Error broken(const std::string& why) {
  return {ErrorCode::invalid_argument, "the archive is no valid tar file: " + why};
}

std::string_view text_at(std::string_view block, std::size_t offset, std::size_t length) {
  const std::string_view field = block.substr(offset, length);
  return field.substr(0, field.find('\0'));
}

// Octal, or base 256 where the first bit is set (GNU, for large numbers).
std::optional<std::int64_t> number_at(std::string_view block, std::size_t offset, std::size_t length) {
  const std::string_view field = block.substr(offset, length);
  std::int64_t value = 0;
  if ((static_cast<unsigned char>(field.front()) & 0x80U) != 0) {
    for (std::size_t i = 0; i < field.size(); ++i) {
      const auto byte = static_cast<unsigned char>(field[i]);
      if (value > (kSizeMax >> 8)) return std::nullopt;
      value = value << 8 | (i == 0 ? byte & 0x7f : byte);
    }
    return value;
  }
  std::string_view digits = field;
  while (!digits.empty() && digits.front() == ' ') digits.remove_prefix(1);
  digits = digits.substr(0, digits.find_first_of(std::string_view(" \0", 2)));
  if (digits.empty()) return 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size() || value < 0) return std::nullopt;
  return value;
}

bool has_checksum(std::string_view block) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(block[i]);
  return number_at(block, 148, 8) == sum;
}

// "./a//b/" -> "a/b". Errors: absolute, "..", a zero byte.
Result<std::string> clean_path(std::string_view path, const char* what) {
  if (path.starts_with('/')) return broken(std::string(what) + " \"" + std::string(path) + "\" is absolute");
  std::string out;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (part.empty() || part == ".") continue;
    if (part == "..") return broken(std::string(what) + " leads out of the archive (\"..\")");
    if (part.find('\0') != std::string_view::npos) return broken(std::string(what) + " has a zero byte");
    if (!out.empty()) out += '/';
    out += part;
  }
  return out;
}

TarEntry::Kind kind_of(char type) {
  switch (type) {
    case '0':
    case '7':
    case '\0': return TarEntry::Kind::file;
    case '1': return TarEntry::Kind::hard_link;
    case '2': return TarEntry::Kind::link;
    case '5': return TarEntry::Kind::directory;
    default: return TarEntry::Kind::other;
  }
}

bool is_extension(char type) { return type == 'L' || type == 'K' || type == 'x' || type == 'g'; }

}  // namespace

void TarReader::feed(std::string_view bytes) {
  buffer_.erase(0, at_);
  at_ = 0;
  // Behind the end there may be blocks of zeros: nobody needs them.
  if (state_ != State::over) buffer_ += bytes;
}

bool TarReader::is_complete() const {
  return state_ == State::over || (state_ == State::header && rest().empty() && entries_ > 0);
}

Result<std::optional<TarEvent>> TarReader::next() {
  for (;;) {
    switch (state_) {
      case State::over: return std::optional<TarEvent>();
      case State::header: {
        if (rest().size() < kBlock) return std::optional<TarEvent>();
        SBX_TRY(event, read_header());
        if (event) return event;
        break;
      }
      case State::data:
        if (left_ > 0) return read_data();
        ends_entry_ = true;
        state_ = State::padding;
        break;
      case State::padding: {
        const auto count = std::min<std::size_t>(rest().size(), static_cast<std::size_t>(padding_));
        at_ += count;
        padding_ -= static_cast<std::int64_t>(count);
        if (padding_ > 0) return std::optional<TarEvent>();
        state_ = State::header;
        if (std::exchange(ends_entry_, false)) return std::optional<TarEvent>(TarEntryEnd());
        break;
      }
      case State::extension: {
        if (rest().size() < static_cast<std::size_t>(left_)) return std::optional<TarEvent>();
        const std::string text(rest().substr(0, static_cast<std::size_t>(left_)));
        at_ += text.size();
        SBX_CHECK(take_extension(text));
        state_ = State::padding;
        break;
      }
    }
  }
}

Result<std::optional<TarEvent>> TarReader::read_header() {
  const std::string_view block = rest().substr(0, kBlock);
  at_ += kBlock;
  if (block.find_first_not_of('\0') == std::string_view::npos) {
    state_ = State::over;
    return std::optional<TarEvent>();
  }
  if (!has_checksum(block)) return broken("a header's checksum is wrong");
  const auto stated = number_at(block, 124, 12);
  if (!stated || *stated > kSizeMax) return broken("a size cannot be read");
  const char type = block[156];
  const auto padding_of = [](std::int64_t size) { return (static_cast<std::int64_t>(kBlock) - size % 512) % 512; };
  if (is_extension(type)) {
    if (*stated > static_cast<std::int64_t>(kExtensionBytesMax)) return broken("an extended header is too large");
    extension_ = type;
    left_ = *stated;
    padding_ = padding_of(left_);
    state_ = State::extension;
    return std::optional<TarEvent>();
  }
  if (type == 'S')
    return broken("it has sparse files in GNU's old form: make it with --format=pax and without --sparse");
  TarEntry entry;
  entry.kind = kind_of(type);
  std::string path(text_at(block, 0, 100));
  if (block.substr(257, 6) == std::string_view("ustar\0", 6)) {
    const std::string_view prefix = text_at(block, 345, 155);
    if (!prefix.empty()) path = std::string(prefix) + "/" + path;
  }
  SBX_TRY(cleaned, clean_path(path_ ? *path_ : path, "a path"));
  entry.path = std::move(cleaned);
  entry.link = link_ ? *link_ : std::string(text_at(block, 157, 100));
  if (entry.kind == TarEntry::Kind::hard_link) {
    SBX_TRY(target, clean_path(entry.link, "a hard link"));
    entry.link = std::move(target);
  }
  const bool has_data = entry.kind == TarEntry::Kind::file;
  entry.size = has_data ? size_.value_or(*stated) : 0;
  path_.reset();
  link_.reset();
  size_.reset();
  ++entries_;
  left_ = entry.size;
  padding_ = padding_of(left_);
  state_ = State::data;
  return std::optional<TarEvent>(std::move(entry));
}

std::optional<TarEvent> TarReader::read_data() {
  if (rest().empty()) return std::nullopt;
  TarData data;
  data.bytes = std::string(rest().substr(0, static_cast<std::size_t>(left_)));
  at_ += data.bytes.size();
  left_ -= static_cast<std::int64_t>(data.bytes.size());
  return data;
}

Result<void> TarReader::take_extension(std::string_view text) {
  if (extension_ == 'L' || extension_ == 'K') {
    const std::string name(text.substr(0, text.find('\0')));
    (extension_ == 'L' ? path_ : link_) = name;
    return {};
  }
  // pax: "<length> <key>=<value>\n", where the length counts itself.
  while (!text.empty()) {
    std::size_t length = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<std::size_t>(parsed.ptr - text.data());
    const bool is_record = parsed.ec == std::errc() && length > digits + 2 && length <= text.size() &&
                           text[digits] == ' ' && text[length - 1] == '\n';
    if (!is_record) return broken("an extended header cannot be read");
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    text.remove_prefix(length);
    const std::string_view key = record.substr(0, record.find('='));
    if (key.size() == record.size()) return broken("an extended header cannot be read");
    const std::string_view value = record.substr(key.size() + 1);
    if (extension_ == 'g') continue;  // for all that follow: nobody gives paths or sizes so
    if (key == "path") path_ = value;
    if (key == "linkpath") link_ = value;
    if (key == "size") {
      std::int64_t size = 0;
      const auto read = std::from_chars(value.data(), value.data() + value.size(), size);
      if (read.ec != std::errc() || size < 0 || size > kSizeMax) return broken("a size cannot be read");
      size_ = size;
    }
  }
  return {};
}

}  // namespace sandboxd::containerd
