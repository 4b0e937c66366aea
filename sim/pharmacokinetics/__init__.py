"""Oral three-compartment kinetics in closed form, and individual parameters from files."""

from sim.pharmacokinetics.accumulation import accumulation_shares, share_of_auc_by

__all__ = ["accumulation_shares", "share_of_auc_by"]
