// This file lets the package declare functions that have no body in it.
