#include "orch/api/common/metrics_text.hpp"

#include <array>
#include <charconv>
#include <cstdint>

namespace sandboxd::orch::common {

std::string seconds_text(Duration duration) {
  std::array<char, 32> text{};
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), seconds, std::chars_format::fixed);
  return {text.data(), end};
}

void MetricsText::family(std::string_view name, std::string_view kind, std::string_view help) {
  text_.append("# HELP ").append(name).append(" ").append(help).append("\n");
  text_.append("# TYPE ").append(name).append(" ").append(kind).append("\n");
}

void MetricsText::line(std::string_view name, const Labels& labels, std::string_view value) {
  text_ += name;
  char before = '{';
  for (const auto& [key, text] : labels) {
    text_ += before;
    before = ',';
    text_.append(key).append("=\"");
    for (const char c : text) {
      if (c == '\\' || c == '"') text_ += '\\';
      if (c == '\n') {
        text_ += "\\n";
      } else {
        text_ += c;
      }
    }
    text_ += '"';
  }
  if (!labels.empty()) text_ += '}';
  text_.append(" ").append(value).append("\n");
}

void MetricsText::histogram(std::string_view name, const Labels& labels, const Histogram& histogram) {
  const std::string base(name);
  std::uint64_t below = 0;
  for (std::size_t n = 0; n <= Histogram::kBounds.size(); ++n) {
    below += histogram.bucket(n);
    const bool is_last = n == Histogram::kBounds.size();
    const std::string bound = is_last ? "+Inf" : seconds_text(Histogram::kBounds[n]);
    Labels with_bound = labels;
    with_bound.emplace_back("le", bound);
    sample(base + "_bucket", with_bound, below);
  }
  line(base + "_sum", labels, seconds_text(histogram.sum()));
  sample(base + "_count", labels, histogram.count());
}

}  // namespace sandboxd::orch::common
