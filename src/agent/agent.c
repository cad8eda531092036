/* The agent interface: calls that forward. */
#include "agent/agent.h"

#include <stdlib.h>

pbt_code pbt_agent_talk(pbt_agent *agent, pbt_talk *requests, size_t n, const pbt_monitor *monitor,
                        pbt_error *error) {
    return agent->talk(agent, requests, n, monitor, error);
}

pbt_code pbt_agent_measure(pbt_agent *agent, pbt_measure *requests, size_t n, const pbt_monitor *monitor,
                           pbt_error *error) {
    return agent->measure(agent, requests, n, monitor, error);
}

void pbt_agent_free(pbt_agent *agent) {
    if (agent) agent->free(agent);
}

void pbt_talk_clear(pbt_talk *requests, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(requests[i].text);
        requests[i].text = NULL;
    }
}
