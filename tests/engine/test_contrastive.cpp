// What the op table does not see of the contrastive ops: a queue that moves on between forward and
// backward, ranks, inference.
#include <doctest/doctest.h>
#include <cmath>
#include "engine/ops.h"

using namespace autodidact;

TEST_CASE("infonce: the queue may move on before backward, and what else reads it is told") {
  Tensor queue = tensor_of<float>({4, 2}, {1, 0, 0, 1, -1, 0, 0, -1}),
         next = zeros({1}, Dtype::i32);
  Tensor k = tensor_of<float>({2, 2}, {1, 0, 0, 1});
  Tensor q = tensor_of<float>({2, 2}, {0.8f, 0.6f, 0.6f, 0.8f});
  Tensor still = leaf(q), moving = leaf(q);
  backward(scale(infonce(still, k, queue, 0.5f), 3));
  Tensor loss = scale(infonce(moving, k, queue, 0.5f), 3);
  Tensor product = sum(matmul(leaf(k), queue, false, true));  // saves the queue
  const uint64_t version = queue.buffer->version;
  enqueue(queue, next, k);
  CHECK(queue.buffer->version == version + 1);
  CHECK(ptr<int32_t>(next)[0] == 2);
  CHECK(ptr<float>(queue)[2] == 0);
  CHECK(ptr<float>(queue)[3] == 1);
  backward(loss);
  for (int i = 0; i < 4; ++i)
    CHECK(ptr<float>(moving.node->grad)[i] == ptr<float>(still.node->grad)[i]);
  CHECK_THROWS_AS(backward(product), Error);
}

TEST_CASE("infonce: ranks, and no gradient at inference") {
  // l+ of row 0 is above all but one of the queue, of row 1 above none.
  Tensor queue = tensor_of<float>({3, 2}, {1, 0, 0, 1, -1, 0});
  Tensor q = tensor_of<float>({2, 2}, {1, 0, 0, -1});
  Tensor k = tensor_of<float>({2, 2}, {0.8f, 0.6f, 0, 1});
  Tensor rank = empty({2}, Dtype::i32);
  Tensor loss = infonce(q, k, queue, 1.0f, true, &rank);
  CHECK(!loss.node);
  CHECK(ptr<int32_t>(rank)[0] == 1);
  CHECK(ptr<int32_t>(rank)[1] == 2);
  const double first = std::log(1 + std::exp(1 - 0.8) + std::exp(-0.8) + std::exp(-1.8));
  const double second = std::log(1 + 2 * std::exp(1.0) + std::exp(0.0));
  CHECK(*ptr<float>(loss) == doctest::Approx((first + second) / 2).epsilon(1e-6));
  Tensor short_rank = empty({1}, Dtype::i32);
  CHECK_THROWS_WITH_AS(infonce(q, k, queue, 1.0f, true, &short_rank),
                       "infonce: rank must be [2], got [1]", Error);
}

TEST_CASE("enqueue: wrong shapes are refused in words") {
  Tensor queue = zeros({4, 2}), next = zeros({1}, Dtype::i32), wrong = zeros({2}, Dtype::i32);
  Tensor flat = zeros({4});
  CHECK_THROWS_WITH_AS(enqueue(flat, next, zeros({1, 2})), "enqueue: queue must be [K, D], got [4]",
                       Error);
  CHECK_THROWS_WITH_AS(enqueue(queue, next, zeros({1, 3})),
                       "enqueue: rows must be [B, 2], got [1, 3]", Error);
  CHECK_THROWS_WITH_AS(enqueue(queue, next, cast(zeros({1, 2}), Dtype::bf16)),
                       "enqueue: rows must be f32, got bf16", Error);
  CHECK_THROWS_WITH_AS(enqueue(queue, wrong, zeros({1, 2})), "enqueue: next must be [1], got [2]",
                       Error);
}

TEST_CASE("scatter_rows: in order, and what else reads the table is told") {
  Tensor x = zeros({3, 2}), indices = tensor_of<int64_t>({3}, {2, 0, 2});
  Tensor product = sum(matmul(leaf(full({2, 2}, 1)), x, false, true));  // saves x
  scatter_rows(x, indices, tensor_of<float>({3, 2}, {1, 2, 3, 4, 5, 6}));
  const float expected[] = {3, 4, 0, 0, 5, 6};
  for (int i = 0; i < 6; ++i) CHECK(ptr<float>(x)[i] == expected[i]);
  CHECK_THROWS_AS(backward(product), Error);
  CHECK_THROWS_WITH_AS(scatter_rows(x, indices, zeros({3, 1})),
                       "scatter_rows: rows must be [3, 2] f32, got [3, 1] f32", Error);
  CHECK_THROWS_WITH_AS(scatter_rows(x, tensor_of<int64_t>({1}, {3}), zeros({1, 2})),
                       "scatter_rows: indices must be below 3, got 3", Error);
}

TEST_CASE("nt_xent: ranks") {
  // Rows 0 and 2 are a pair and nearest to each other; 1 and 3 are a pair, but 1 is nearer to 0.
  Tensor z = tensor_of<float>({4, 2}, {1, 0, 0.8f, 0.6f, 1, 0, -1, 0});
  Tensor rank = empty({4}, Dtype::i32);
  CHECK(!nt_xent(z, 0.5f, &rank).node);
  CHECK(ptr<int32_t>(rank)[0] == 0);
  CHECK(ptr<int32_t>(rank)[1] == 2);
  CHECK(ptr<int32_t>(rank)[2] == 0);
  CHECK(ptr<int32_t>(rank)[3] == 0);
  Tensor short_rank = empty({3}, Dtype::i32);
  CHECK_THROWS_WITH_AS(nt_xent(z, 0.5f, &short_rank), "nt_xent: rank must be [4], got [3]", Error);
}

TEST_CASE("l2_normalize: a row of zeros stays zero") {
  Tensor x = leaf(zeros({1, 3})), y = l2_normalize(x);
  for (int i = 0; i < 3; ++i) CHECK(ptr<float>(y)[i] == 0);
}
