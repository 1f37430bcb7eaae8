// Package contract holds what the client, the simulator and upstream say to each
// other against the platform's description of its API. Their own tests make the
// calls; this runs them and checks each call and each answer.
package contract
