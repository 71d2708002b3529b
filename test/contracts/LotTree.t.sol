// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LotTree} from "../../contracts/libraries/LotTree.sol";
import {NaiveTree} from "./support/NaiveTree.sol";

/// Holds LotTree against the RFC's recursion.
/// A path alone does not bind the size of the tree: position 0 of three leaves and position 0 of four are reached by paths of
/// one form. So what is tested of a foreign size is that LotTree says what the recursion says; the ledger takes the size from
/// the lot's header, which it has the hash of.
contract LotTreeTest {
    /// LotTree reads calldata, so it is reached through external functions.
    function rootOf(bytes32[] calldata leaves) external pure returns (bytes32) {
        return LotTree.root(leaves);
    }

    function rootFrom(
        bytes32[] calldata path,
        uint256 index,
        uint256 size,
        bytes32 leaf
    ) external pure returns (bytes32) {
        return LotTree.rootFrom(path, index, size, leaf);
    }

    function testFuzz_a_leaf_is_hashed_behind_a_zero_byte(bytes32 content, address holder, uint32 buyer) external pure {
        bytes memory preimage = bytes.concat(hex"00", content, bytes20(holder), bytes4(buyer));
        require(preimage.length == 57, "a leaf has 57 bytes");
        require(LotTree.leafHash(content, holder, buyer) == keccak256(preimage), "leaf hash differs");
    }

    function testFuzz_a_node_is_hashed_behind_a_one_byte(bytes32 left, bytes32 right) external pure {
        require(LotTree.nodeHash(left, right) == NaiveTree.node(left, right), "node hash differs");
    }

    function test_the_root_of_every_small_lot_is_that_of_the_recursion() external view {
        for (uint256 size = 1; size <= 70; ++size) {
            bytes32[] memory leaves = _leaves(size, size);
            require(this.rootOf(leaves) == NaiveTree.root(leaves), "root differs");
        }
    }

    /// hardhat-config: fuzz.runs = 48
    function testFuzz_the_root_of_a_lot_is_that_of_the_recursion(uint256 seed, uint256 size) external view {
        bytes32[] memory leaves = _leaves(1 + (size % 1024), seed);
        require(this.rootOf(leaves) == NaiveTree.root(leaves), "root differs");
    }

    function test_every_position_of_every_small_lot_is_proved_by_its_path_and_at_no_other_position() external view {
        for (uint256 size = 1; size <= 17; ++size) {
            bytes32[] memory leaves = _leaves(size, size);
            bytes32 root = NaiveTree.root(leaves);
            for (uint256 position = 0; position < size; ++position) {
                bytes32[] memory path = NaiveTree.path(leaves, position);
                for (uint256 index = 0; index < size; ++index) {
                    bool proved = this.rootFrom(path, index, size, leaves[position]) == root;
                    require(proved == (index == position), "a path proves its own position alone");
                }
            }
        }
    }

    /// hardhat-config: fuzz.runs = 64
    function testFuzz_a_path_proves_one_position_of_a_lot(
        uint256 seed,
        uint256 size,
        uint256 position,
        uint256 other
    ) external view {
        size = 1 + (size % 300);
        position %= size;
        other %= size;
        bytes32[] memory leaves = _leaves(size, seed);
        bytes32[] memory path = NaiveTree.path(leaves, position);
        require(this.rootFrom(path, position, size, leaves[position]) == this.rootOf(leaves), "a true path must hold");
        bool proved = this.rootFrom(path, other, size, leaves[position]) == this.rootOf(leaves);
        require(proved == (other == position), "a path proves its own position alone");
        if (other != position) {
            require(this.rootFrom(path, position, size, leaves[other]) != this.rootOf(leaves), "another leaf never verifies");
        }
    }

    function testFuzz_any_path_leads_where_the_recursion_leads(
        bytes32[] memory path,
        uint256 index,
        uint256 size,
        bytes32 leaf
    ) external view {
        // most lengths fit no position of a small tree and some of a large one; both are wanted
        size = 1 + (size % (1 << (path.length % 11)));
        index %= size;
        require(this.rootFrom(path, index, size, leaf) == NaiveTree.climb(path, index, size, leaf), "climbs elsewhere");
    }

    function testFuzz_a_path_cut_short_or_drawn_out_never_verifies(uint256 seed, uint256 size, uint256 position) external view {
        size = 2 + (size % 63);
        position %= size;
        bytes32[] memory leaves = _leaves(size, seed);
        bytes32 root = NaiveTree.root(leaves);
        bytes32[] memory path = NaiveTree.path(leaves, position);
        bytes32[] memory short = new bytes32[](path.length - 1);
        bytes32[] memory long = new bytes32[](path.length + 1);
        for (uint256 i = 0; i < path.length; ++i) {
            if (i < short.length) short[i] = path[i];
            long[i] = path[i];
        }
        require(this.rootFrom(short, position, size, leaves[position]) == 0, "a short path is none");
        require(this.rootFrom(long, position, size, leaves[position]) == 0, "a long path is none");
        path[seed % path.length] ^= bytes32(uint256(1));
        require(this.rootFrom(path, position, size, leaves[position]) != root, "an altered path never verifies");
    }

    /// An inner node stands above the leaves `from` to `to`; it is presented as a leaf, with the true path from there up.
    function test_a_node_never_passes_for_a_leaf_at_any_position() external view {
        for (uint256 size = 2; size <= 17; ++size) {
            bytes32[] memory leaves = _leaves(size, size);
            bytes32 root = NaiveTree.root(leaves);
            for (uint256 below = 0; below < size; ++below) {
                bytes32[] memory path = NaiveTree.path(leaves, below);
                for (uint256 cut = 1; cut <= path.length; ++cut) {
                    bytes32 node = _parent(leaves, below, path, cut);
                    bytes32[] memory rest = new bytes32[](path.length - cut);
                    for (uint256 i = 0; i < rest.length; ++i) rest[i] = path[cut + i];
                    for (uint256 index = 0; index < size; ++index) {
                        require(this.rootFrom(rest, index, size, node) != root, "a node passed for a leaf");
                    }
                }
            }
        }
    }

    /// The inner node `height` steps above leaf `at`.
    function _parent(
        bytes32[] memory leaves,
        uint256 position,
        bytes32[] memory path,
        uint256 height
    ) private pure returns (bytes32 node) {
        uint256 from = 0;
        uint256 to = leaves.length;
        for (uint256 i = path.length; i > height; --i) {
            uint256 k = NaiveTree.split(to - from);
            if (position - from < k) to = from + k;
            else from += k;
        }
        node = NaiveTree.root(leaves, from, to);
    }

    function _leaves(uint256 size, uint256 seed) private pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](size);
        for (uint256 i = 0; i < size; ++i) leaves[i] = keccak256(abi.encode(seed, i));
    }
}
