// Between two steps of some of N environments: writes down what the last one led to, and chooses
// the actions for the next (rollout.py). Before the first step there is nothing to write down, and
// after the last one nothing to choose.

struct Plan {
    Network network;
    Normaliser normaliser;
    Int step, steps;                 // T; the first is counted here
    Int environments, first, end;    // N, and which of them
    // What the engine says, (N, ...), and where it looks for actions.
    const float *observation, *final_observation;
    const double *reward, *distance;
    const bool *terminated, *truncated;
    float* action;
    // Of the episodes so far, (N,).
    double* episode_return;
    Int* episode_length;
    // The rollout, (T, N, ...); where actions go there is noise.
    float *raw_observations, *observations, *means, *actions, *final_observations;
    double *rewards, *returns, *distances;
    Int* lengths;
    bool *terminations, *ends;
};
Plan& todo = *(Plan*)plan;
const Int size = width[0], first = todo.first, end = todo.end;

if (todo.step > 0) {
    const Int row = (todo.step - 1) * todo.environments;
    for (Int i = first; i < end; ++i) {
        const bool over = todo.terminated[i] || todo.truncated[i];
        for (Int j = 0; j < size; ++j)
            todo.final_observations[(row + i) * size + j] = todo.final_observation[i * size + j];
        todo.episode_return[i] += todo.reward[i];
        todo.episode_length[i] += 1;
        todo.rewards[row + i] = todo.reward[i];
        todo.distances[row + i] = todo.distance[i];
        todo.returns[row + i] = todo.episode_return[i];
        todo.lengths[row + i] = todo.episode_length[i];
        todo.terminations[row + i] = todo.terminated[i];
        todo.ends[row + i] = over;
        if (over) todo.episode_return[i] = todo.episode_length[i] = 0;
    }
} else {
    load();
}
if (todo.step == todo.steps) return;

const Int row = todo.step * todo.environments;
for (Int start = first; start < end; start += BLOCK) {
    const Int rows = end - start < BLOCK ? end - start : BLOCK;
    for (Int i = 0; i < rows; ++i) {
        const float* seen = todo.observation + (start + i) * size;
        const Int place = (row + start + i) * size;
        normalise(todo.normaliser, seen, input + i * size);
        for (Int j = 0; j < size; ++j) {
            todo.raw_observations[place + j] = seen[j];
            todo.observations[place + j] = input[i * size + j];
        }
    }
    forward(rows);
    for (Int i = 0; i < rows; ++i)
        for (Int a = 0; a < outputs; ++a) {
            const Int place = (row + start + i) * outputs + a;
            todo.means[place] = ::tanhf(output[last][i * outputs_padded + a]);
            todo.actions[place] += todo.means[place];
            todo.action[(start + i) * outputs + a] = todo.actions[place];
        }
}
++todo.step;
