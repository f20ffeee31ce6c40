// A perceptron and its forward pass, 64 samples at a time, so that all of theirs stays in the cache.
// This stands before the bodies of functions of `plan`, the address of what there is to do, and
// begins with a Network; so helpers are lambdas. Matrices are row-major. Columns are padded to whole
// vectors.

typedef float Vector __attribute__((ext_vector_type(8), aligned(4)));
typedef long long Int;
const Int LANES = 8, BLOCK = 64, MAX_LAYERS = 16, MAX_ACTIONS = 64;
const float LAYER_NORM_EPSILON = 1e-5f;

struct Network {
    Int layers;
    const Int* width;               // of the input, and of what each layer gives
    float **layer, **gradient;      // four a layer: weight, bias, scale and shift of LayerNorm
    float* room;                    // for what is in between
};
const Network& network = *(const Network*)plan;
const Int layers = network.layers, last = layers - 1;
const Int* width = network.width;

const auto weight = [&](Int layer) { return network.layer[4 * layer]; };     // (out, in)
const auto bias = [&](Int layer) { return network.layer[4 * layer + 1]; };   // (out,)
const auto scale = [&](Int layer) { return network.layer[4 * layer + 2]; };  // (out,)
const auto shift = [&](Int layer) { return network.layer[4 * layer + 3]; };  // (out,)

// Vectors and matrices ----------------------------------------------------------------------------

const auto at = [](const float* place) -> Vector { return *(const Vector*)place; };
const auto put = [](float* place, Vector value) { *(Vector*)place = value; };
const auto padded = [](Int count) { return (count + LANES - 1) / LANES * LANES; };
const auto total = [](Vector v) {
    return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7]));
};

struct One { char size[1]; };
struct Two { char size[2]; };
struct Four { char size[4]; };

// Adds to a tile of c, some rows and some vectors of columns, that of the product a b. The element
// (i, p) of a is a[i * row + p * column]; b and c have rows `stride` apart.
const auto add_tile = [&](auto rows, auto vectors, float* c, const float* a, Int row, Int column,
                          const float* b, Int stride, Int depth)
    __attribute__((always_inline)) {
    constexpr int ROWS = sizeof(rows), VECTORS = sizeof(vectors);
    Vector tile[ROWS][VECTORS];
    #pragma unroll
    for (int i = 0; i < ROWS; ++i)
        #pragma unroll
        for (int j = 0; j < VECTORS; ++j) tile[i][j] = at(c + i * stride + j * LANES);
    for (Int p = 0; p < depth; ++p)
        #pragma unroll
        for (int j = 0; j < VECTORS; ++j) {
            const Vector right = at(b + p * stride + j * LANES);
            #pragma unroll
            for (int i = 0; i < ROWS; ++i) tile[i][j] += (Vector)(a[i * row + p * column]) * right;
        }
    #pragma unroll
    for (int i = 0; i < ROWS; ++i)
        #pragma unroll
        for (int j = 0; j < VECTORS; ++j) put(c + i * stride + j * LANES, tile[i][j]);
};

// Adds a b to c: (rows, depth) times (depth, columns), of which there are whole vectors.
const auto add_product = [&](float* c, const float* a, Int row, Int column, const float* b,
                             Int rows, Int depth, Int columns) {
    const auto add_rows = [&](auto some, Int i) __attribute__((always_inline)) {
        Int j = 0;
        for (; j + 2 * LANES <= columns; j += 2 * LANES)
            add_tile(some, Two{}, c + i * columns + j, a + i * row, row, column, b + j, columns,
                     depth);
        if (j < columns)
            add_tile(some, One{}, c + i * columns + j, a + i * row, row, column, b + j, columns,
                     depth);
    };
    Int i = 0;
    for (; i + 4 <= rows; i += 4) add_rows(Four{}, i);
    for (; i < rows; ++i) add_rows(One{}, i);
};

// Room --------------------------------------------------------------------------------------------

float* free = network.room;
const auto take = [&](Int count) {
    float* start = free;
    free += padded(count);
    return start;
};
const auto clear = [](float* start, float* end) {
    for (; start < end; ++start) *start = 0.0f;
};
float* transposed[MAX_LAYERS];    // weights, (in, out)
float* first_output[MAX_LAYERS];  // biases
float* output[MAX_LAYERS];        // (BLOCK, out) of each layer, after its LayerNorm and ReLU
float* normal[MAX_LAYERS];        // (BLOCK, out) before LayerNorm's scale and shift
float* precision[MAX_LAYERS];     // (BLOCK,) reciprocals of LayerNorm's standard deviations
for (Int l = 0; l < layers; ++l) {
    const Int in = width[l], out = padded(width[l + 1]);
    transposed[l] = take(in * out);
    first_output[l] = take(out);
    output[l] = take(BLOCK * out);
    normal[l] = take(BLOCK * out);
    precision[l] = take(BLOCK);
}
float* input = take(BLOCK * width[0]);
const Int outputs = width[layers], outputs_padded = padded(outputs);

// Fetches the parameters as they are.
const auto load = [&]() {
    for (Int l = 0; l < layers; ++l) {
        const Int in = width[l], out = width[l + 1], size = padded(out);
        clear(transposed[l], first_output[l] + size);
        for (Int j = 0; j < out; ++j) {
            first_output[l][j] = bias(l)[j];
            for (Int i = 0; i < in; ++i) transposed[l][i * size + j] = weight(l)[j * in + i];
        }
    }
};

// From some rows of the input, at most BLOCK, to the outputs of all layers.
const auto forward = [&](Int rows) {
    for (Int l = 0; l < layers; ++l) {
        const Int in = width[l], size = padded(width[l + 1]);
        for (Int i = 0; i < rows; ++i)
            for (Int j = 0; j < size; j += LANES)
                put(output[l] + i * size + j, at(first_output[l] + j));
        const float* before = l ? output[l - 1] : input;
        add_product(output[l], before, in, 1, transposed[l], rows, in, size);
        if (l == last) break;
        for (Int i = 0; i < rows; ++i) {  // LayerNorm and ReLU
            float *row = output[l] + i * size, *ready = normal[l] + i * size;
            Vector sum = (Vector)(0.0f), squares = (Vector)(0.0f);
            for (Int j = 0; j < size; j += LANES) sum += at(row + j);
            const float mean = total(sum) / size;
            for (Int j = 0; j < size; j += LANES) {
                const Vector difference = at(row + j) - mean;
                squares += difference * difference;
            }
            const float reciprocal = 1.0f / ::sqrtf(total(squares) / size + LAYER_NORM_EPSILON);
            precision[l][i] = reciprocal;
            for (Int j = 0; j < size; j += LANES) {
                const Vector x = (at(row + j) - mean) * reciprocal;
                const Vector y = x * at(scale(l) + j) + at(shift(l) + j);
                put(ready + j, x);
                put(row + j, y < 0.0f ? (Vector)(0.0f) : y);
            }
        }
    }
};

