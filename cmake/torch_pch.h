// Precompiled for every target that links LibTorch. Never torch/torch.h: it costs 12 s a file.
#pragma once
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <string>
#include <vector>
