// A queue in one piece of memory that is empty for as long as nothing is in it: there is one or more for every node.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace sandboxd::sched {

template <class T>
class Fifo {
 public:
  void push(T item) { items_.push_back(std::move(item)); }
  void pop() {
    if (++head_ * 2 < items_.size()) return;
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  [[nodiscard]] const T& operator[](std::size_t index) const { return items_[head_ + index]; }
  [[nodiscard]] const T& front() const { return items_[head_]; }
  [[nodiscard]] std::size_t size() const { return items_.size() - head_; }
  [[nodiscard]] bool empty() const { return size() == 0; }

 private:
  std::vector<T> items_;
  std::size_t head_ = 0;
};

}  // namespace sandboxd::sched
