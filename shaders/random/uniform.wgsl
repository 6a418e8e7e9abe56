// y[i] = a random number in [0, 1), a function of (seed, step, STREAM, i): counter-based, so a
// resumed run draws what an uninterrupted one does. The 24 upper bits of a hashed word, exact in
// float32. `mix` and `hash` are those of engine/random.ts, word for word.
//
// Layout   key [2] (u32): seed and step; y [COUNT]
// Threads  one invocation an element of y
// Cost     about 25 integer operations and 4 bytes an element

const COUNT: u32 = 1024u;
const STREAM: u32 = 1u;

@group(0) @binding(0) var<storage, read> key: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

fn mix_(x0: u32) -> u32 {
  var x = x0;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn hash(seed: u32, stream: u32, counter: u32) -> u32 {
  let k1 = mix_(seed + 0x9e3779b9u);
  let k2 = mix_(stream + mix_(k1 + 0x9e3779b9u));
  return mix_(mix_(counter + k1) ^ k2);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64u + lane;
  if (i >= COUNT) {
    return;
  }
  let word = hash(hash(key[0], STREAM, key[1]), STREAM, i);
  y[i] = f32(word >> 8u) / 16777216.0;
}
