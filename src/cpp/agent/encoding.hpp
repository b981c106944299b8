// How messages become bytes: members one after another, numbers little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace sandboxd::agent {

inline constexpr std::uint32_t kVersion = 1;         // of everything here
inline constexpr std::size_t kItemsMax = 16 * 1024;  // of a list in one message

// Writes members one after another. A string or list is a u32 count and its bytes or items.
class Encoder {
 public:
  template <class T>
  Encoder& operator()(const T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      (*this)(static_cast<std::uint32_t>(value.size()));
      bytes_.append(value);
    } else if constexpr (std::is_enum_v<T>) {
      (*this)(static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_same_v<T, bool>) {
      bytes_.push_back(value ? '\1' : '\0');
    } else if constexpr (std::is_integral_v<T>) {
      auto rest = static_cast<std::make_unsigned_t<T>>(value);
      for (std::size_t i = 0; i < sizeof(T); ++i) {
        bytes_.push_back(static_cast<char>(static_cast<unsigned char>(rest & 0xFFU)));
        if constexpr (sizeof(T) > 1) rest >>= 8U;
      }
    } else {
      encode_compound(value);
    }
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(bytes_); }

 private:
  template <class T>
  void encode_compound(const std::vector<T>& items) {
    (*this)(static_cast<std::uint32_t>(items.size()));
    for (const T& item : items) (*this)(item);
  }
  template <class T>
  void encode_compound(const T& message) {
    T::each(message, *this);
  }
  std::string bytes_;
};

// Reads them, a string_view as a view of what is read; after the first wrong thing nothing more changes and is_good()
// is false.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}
  template <class T>
  Decoder& operator()(T& value) {
    if (!good_) return *this;
    if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
      std::uint32_t size = 0;
      (*this)(size);
      if (!good_ || size > rest_.size()) return fail();
      value = rest_.substr(0, size);
      rest_.remove_prefix(size);
    } else if constexpr (std::is_enum_v<T>) {
      std::underlying_type_t<T> number{};
      (*this)(number);
      value = static_cast<T>(number);  // who reads it handles values without a name
    } else if constexpr (std::is_same_v<T, bool>) {
      std::uint8_t number = 0;
      (*this)(number);
      if (number > 1) return fail();
      value = number == 1;
    } else if constexpr (std::is_integral_v<T>) {
      if (rest_.size() < sizeof(T)) return fail();
      std::make_unsigned_t<T> number = 0;
      for (std::size_t i = sizeof(T); i-- > 0;) {
        if constexpr (sizeof(T) > 1) number <<= 8U;
        number = static_cast<std::make_unsigned_t<T>>(number | static_cast<unsigned char>(rest_[i]));
      }
      rest_.remove_prefix(sizeof(T));
      value = static_cast<T>(number);
    } else {
      decode_compound(value);
    }
    return *this;
  }
  // Everything was read and nothing was wrong.
  [[nodiscard]] bool is_done() const { return good_ && rest_.empty(); }

 private:
  Decoder& fail() {
    good_ = false;
    return *this;
  }
  template <class T>
  void decode_compound(std::vector<T>& items) {
    std::uint32_t count = 0;
    (*this)(count);
    // Every item takes a byte at least.
    if (!good_ || count > kItemsMax || count > rest_.size()) {
      good_ = false;
      return;
    }
    items.clear();
    for (std::uint32_t i = 0; i < count && good_; ++i) (*this)(items.emplace_back());
  }
  template <class T>
  void decode_compound(T& message) {
    T::each(message, *this);
  }
  std::string_view rest_;
  bool good_ = true;
};

template <class T>
[[nodiscard]] std::string encode(const T& message) {
  Encoder encoder;
  T::each(message, encoder);
  return encoder.take();
}
// Nothing for bytes that are no such message, or more than it.
template <class T>
[[nodiscard]] std::optional<T> decode(std::string_view bytes) {
  T message{};
  Decoder decoder(bytes);
  T::each(message, decoder);
  if (!decoder.is_done()) return std::nullopt;
  return message;
}

}  // namespace sandboxd::agent
