#include "containerd/gunzip.hpp"

#include <string_view>
#include <utility>
#include <zlib.h>

namespace sandboxd::containerd {

namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::size_t kMagicBytes = 6;
constexpr int kGzipWindow = 15 + 16;  // the largest window, and gzip's header and trailer

struct Known {
  std::string_view magic;
  const char* name;
};
constexpr Known kOthers[] = {{"\x28\xb5\x2f\xfd", "zstd"}, {"\xfd\x37zXZ", "xz"}, {"BZh", "bzip2"}};

}  // namespace

struct Gunzip::State {
  enum class Kind { unknown, plain, gzip } kind = Kind::unknown;
  std::string input;
  bool is_open = false;     // in the middle of a stream
  bool is_over = false;     // behind the streams comes padding, however it goes on
  bool has_output = false;  // that did not fit into the last piece
  z_stream stream{};

  ~State() { inflateEnd(&stream); }

  // Whether it is known now.
  Result<bool> recognise() {
    if (kind != Kind::unknown) return true;
    if (input.size() < kMagicBytes) return false;
    for (const Known& other : kOthers) {
      if (std::string_view(input).starts_with(other.magic)) {
        return Error(ErrorCode::invalid_argument,
                     std::string("the archive is compressed with ") + other.name + ": send it plain or as gzip");
      }
    }
    kind = std::string_view(input).starts_with("\x1f\x8b") ? Kind::gzip : Kind::plain;
    return true;
  }
};

Gunzip::Gunzip() : state_(std::make_unique<State>()) {}
Gunzip::~Gunzip() = default;

void Gunzip::feed(std::string bytes) {
  if (state_->input.empty()) {
    state_->input = std::move(bytes);
  } else {
    state_->input += bytes;
  }
}

bool Gunzip::is_compressed() const { return state_->kind == State::Kind::gzip; }
bool Gunzip::is_complete() const { return !state_->is_open && state_->kind != State::Kind::unknown; }

Result<std::optional<std::string>> Gunzip::next() {
  SBX_TRY(known, state_->recognise());
  if (!known || (state_->input.empty() && !state_->has_output)) return std::optional<std::string>();
  if (state_->kind == State::Kind::plain) return std::optional(std::exchange(state_->input, std::string()));
  z_stream& stream = state_->stream;
  std::string out(kPieceBytes, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(state_->input.data());
  stream.avail_in = static_cast<uInt>(state_->input.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  while (stream.avail_out > 0 && (stream.avail_in > 0 || state_->has_output)) {
    if (!state_->is_open) {
      // Several streams may follow one another; what else follows is padding.
      state_->is_over = state_->is_over || *stream.next_in != 0x1f;
      if (state_->is_over) {
        stream.avail_in = 0;
        break;
      }
      inflateEnd(&stream);
      if (inflateInit2(&stream, kGzipWindow) != Z_OK) return Error(ErrorCode::resource_exhausted, "no memory for zlib");
      state_->is_open = true;
    }
    const int said = inflate(&stream, Z_NO_FLUSH);
    state_->has_output = false;
    if (said == Z_STREAM_END) state_->is_open = false;
    if (said != Z_OK && said != Z_STREAM_END && said != Z_BUF_ERROR) {
      return Error(ErrorCode::invalid_argument, "the archive's gzip stream is damaged");
    }
  }
  state_->has_output = state_->is_open && stream.avail_out == 0;
  state_->input.erase(0, state_->input.size() - stream.avail_in);
  out.resize(out.size() - stream.avail_out);
  if (out.empty()) return std::optional<std::string>();
  return std::optional(std::move(out));
}

}  // namespace sandboxd::containerd
